/*
 * Thumbs under answers, in plain JavaScript, without cookies. On a page of the same origin as the server:
 *
 *   <script src="/thumbs.js" data-user="ana" defer></script>
 *   <div>… the answer … <span data-response-id="chatcmpl-…"></span></div>
 *
 * Each element with `data-response-id`, also one that is added later, gets two buttons. `data-endpoint` of the script is
 * where a thumb is sent (default: /v1/feedback), for example a route of your own that adds the key.
 */
(() => {
  "use strict";
  const { endpoint = "/v1/feedback", user } = document.currentScript.dataset;
  const THUMBS = [["up", "👍", "Good answer"], ["down", "👎", "Bad answer"]];

  async function send(id, thumb) {
    const body = { feedback: [{ response_id: id, thumb }], ...(user ? { user } : {}) };
    const key = `${id}-${thumb}-${Date.now()}-${Math.random().toString(36).slice(2)}`;
    for (let tries = 0; ; tries += 1) {
      const response = await fetch(endpoint, {
        method: "POST",
        headers: { "Content-Type": "application/json", "Idempotency-Key": key },
        body: JSON.stringify(body),
      }).catch(() => null);
      if (response && response.ok && (await response.json()).refused === 0) return;
      if (tries === 2 || (response && response.status < 500 && response.status !== 429)) throw new Error("not stored");
      await new Promise((resume) => setTimeout(resume, 1000 * (tries + 1)));
    }
  }

  function furnish(place) {
    if (place.querySelector("button[data-thumb]")) return;
    const buttons = THUMBS.map(([thumb, sign, label]) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: sign, title: label });
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
          await send(place.dataset.responseId, button.dataset.thumb);
          buttons.forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
          state.textContent = "Thank you.";
        } catch {
          state.textContent = "Not stored, please try again.";
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
