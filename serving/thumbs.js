/*
 * Thumbs under answers, in plain JavaScript, without cookies. On a page of the same origin as the server:
 *
 *   <script src="/thumbs.js" data-user="ana" defer></script>
 *   <div>… the answer … <span data-response-id="chatcmpl-…"></span></div>
 *
 * Each element with `data-response-id`, also one that is added later, gets two buttons. `data-endpoint` of the script is
 * where a thumb is sent (default: /v1/feedback), for example a route of your own that adds the key.
 *
 * A thumb that the server does not acknowledge is sent again for a minute. It is stored once: it keeps its id until it is
 * acknowledged, also if a person clicks again. The other thumb, clicked later on the same page, supersedes the first one.
 */
(() => {
  "use strict";
  const { endpoint = "/v1/feedback", user } = document.currentScript.dataset;
  const SVG = "http://www.w3.org/2000/svg";
  const UPRIGHT = "M2 10h5v11H2zM9 21h8.5a2 2 0 0 0 1.9-1.4l2.2-7A2 2 0 0 0 19.7 9H14l.9-4.3A2.2 2.2 0 0 0 12.7 2L9 9.5z";
  const THUMBS = [["up", "matrix(1 0 0 1 0 0)", "Good answer"], ["down", "matrix(1 0 0 -1 0 23)", "Bad answer"]];
  const PATIENCE = 60000, FIRST_WAIT = 500, LONGEST_WAIT = 16000, ANSWER_WITHIN = 15000; // milliseconds
  const PASSING = [429, 502, 503, 504];
  const keys = new Map(); // response id, thumb and what it supersedes → the id of a thumb that is not acknowledged yet
  const given = new Map(); // response id → the thumb that was acknowledged last, and the id of its record

  class Refused extends Error {}

  async function send(id, thumb, onWait) {
    const before = given.get(id);
    if (before?.thumb === thumb) return;
    const record = { response_id: id, thumb, ...(before?.record ? { supersedes: before.record } : {}) };
    const body = JSON.stringify({ feedback: [record], ...(user ? { user } : {}) });
    const name = `${id}-${thumb}-${before?.record ?? ""}`;
    if (!keys.has(name)) keys.set(name, `${id}-${thumb}-${Date.now()}-${Math.random().toString(36).slice(2)}`);
    const headers = { "Content-Type": "application/json", "Idempotency-Key": keys.get(name) };
    const end = Date.now() + PATIENCE;
    for (let wait = FIRST_WAIT; ; wait = Math.min(2 * wait, LONGEST_WAIT)) {
      const signal = AbortSignal.timeout(ANSWER_WITHIN);
      const request = { method: "POST", headers, body, signal, keepalive: true };
      const response = await fetch(endpoint, request).catch(() => null);
      const result = response?.ok ? await response.json().catch(() => null) : null;
      if (result?.refused === 0) {
        keys.delete(name);
        given.set(id, { thumb, record: result.results?.[0]?.feedback_id });
        return;
      }
      if (result || (response && !response.ok && !PASSING.includes(response.status))) throw new Refused();
      const pause = Math.max(wait * (0.5 + Math.random() / 2), retryAfter(response));
      if (Date.now() + pause > end) throw new Error("not acknowledged");
      onWait();
      await new Promise((resume) => setTimeout(resume, pause));
    }
  }

  function retryAfter(response) {
    const value = response?.headers.get("Retry-After");
    if (!value) return 0;
    return (/^\d+$/.test(value) ? 1000 * Number(value) : Date.parse(value) - Date.now()) || 0;
  }

  // Drawn, since many systems have no font with emoji; attributes only, which a strict content security policy allows.
  function icon(transform) {
    const drawing = document.createElementNS(SVG, "svg"), path = document.createElementNS(SVG, "path");
    const looks = { viewBox: "0 0 24 24", width: 16, height: 16, fill: "currentColor", "aria-hidden": "true" };
    for (const [name, value] of Object.entries(looks)) drawing.setAttribute(name, value);
    path.setAttribute("d", UPRIGHT);
    path.setAttribute("transform", transform);
    drawing.append(path);
    return drawing;
  }

  function furnish(place) {
    if (place.querySelector("button[data-thumb]")) return;
    const buttons = THUMBS.map(([thumb, transform, label]) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", title: label });
      button.append(icon(transform));
      button.dataset.thumb = thumb;
      button.setAttribute("aria-label", label);
      button.setAttribute("aria-pressed", "false");
      return button;
    });
    const state = document.createElement("span");
    state.setAttribute("role", "status");
    for (const button of buttons) {
      button.addEventListener("click", async () => {
        buttons.forEach((each) => { each.disabled = true; });
        try {
          const onWait = () => { state.textContent = "Not stored yet, trying again…"; };
          await send(place.dataset.responseId, button.dataset.thumb, onWait);
          buttons.forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
          state.textContent = "Thank you.";
        } catch (error) {
          state.textContent = error instanceof Refused
            ? "Not stored: the server refused it."
            : "Not stored: the server does not answer. Please try again later.";
        }
        buttons.forEach((each) => { each.disabled = false; });
      });
    }
    place.append(...buttons, state);
  }

  function look(root) {
    if (root.matches?.("[data-response-id]")) furnish(root);
    root.querySelectorAll?.("[data-response-id]").forEach(furnish);
  }

  function start() {
    look(document.body);
    new MutationObserver((changes) => {
      for (const change of changes) change.addedNodes.forEach(look);
    }).observe(document.body, { childList: true, subtree: true });
  }

  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start);
})();
