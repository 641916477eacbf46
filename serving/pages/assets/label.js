/*
 * The label page by keyboard, without a new page for each task, and with a connection that may be lost. Forms are sent as
 * the browser would send them; what is shown is what the server answers. A judgement that was not acknowledged is kept
 * in the session storage of the tab, by person, and sent again: the server stores it once.
 */
(() => {
  "use strict";
  const PAUSES = [1, 2, 4, 8, 15];
  const AFTER = 150; // milliseconds for which a key does nothing, so that one pressed twice does not judge two tasks
  const live = document.getElementById("live");
  const connection = document.getElementById("connection");
  let shown; // when the task was shown, by the clock of the page
  let settling; // a timer
  let busy = false;

  const task = () => document.getElementById("task");
  const form = () => document.getElementById("judge");
  const token = () => document.querySelector("input[name=token]")?.value ?? "";
  const place = () => `rounds-label:${task()?.dataset.person ?? ""}`;
  const later = (seconds) => new Promise((resume) => {
    const timer = setTimeout(resume, 1000 * seconds);
    window.addEventListener("online", () => { clearTimeout(timer); resume(); }, { once: true });
  });

  const keep = (fields) => { try { sessionStorage.setItem(place(), fields); } catch { /* kept in memory alone */ } };
  const kept = () => { try { return sessionStorage.getItem(place()); } catch { return null; } };
  const drop = () => { try { sessionStorage.removeItem(place()); } catch { /* nothing was kept */ } };

  function say(text) {
    live.textContent = "";
    setTimeout(() => { live.textContent = text; }, 30); // the same text twice is said twice
  }

  function warn(text, link) {
    if (connection.textContent === text + (link ?? "")) return;
    connection.textContent = text;
    if (link) {
      const a = document.createElement("a");
      Object.assign(a, { href: "/login?next=/label", textContent: link });
      connection.append(a);
    }
  }

  function show(page) {
    const next = page.getElementById("main");
    document.getElementById("main").replaceWith(document.adoptNode(next));
    document.title = page.title;
    window.scrollTo(0, 0);
    furnish();
    document.getElementById("question")?.focus({ preventScroll: true });
    say([document.getElementById("notice")?.textContent, document.querySelector("h1")?.textContent].join(" "));
  }

  /** Why an attempt has to be repeated; empty if it has not. */
  const obstacle = (response) => !response ? "No connection to the server."
    : response.status === 429 ? "Too many requests came from you."
    : response.status >= 500 ? "The server cannot answer now."
    : "";

  /** One attempt to send fields, or to open the page without any; why it has to be repeated, or empty. */
  async function attempt(path, fields) {
    const body = fields === null ? undefined : new URLSearchParams(fields);
    body?.set("token", token());
    const response = await fetch(path, { method: body ? "POST" : "GET", body }).catch(() => null);
    const reason = obstacle(response);
    if (reason) return reason;
    if (new URL(response.url).pathname === "/login" || response.status === 403) {
      warn(kept()
        ? "You are logged out. What you judged is kept in this tab, and is sent when you have logged in: "
        : "You are logged out: ", "log in");
      return "";
    }
    const text = await response.text().catch(() => null);
    if (text === null) return obstacle(null);
    drop();
    const page = new DOMParser().parseFromString(text, "text/html");
    if (page.getElementById("task")) {
      warn("");
      show(page);
    } else {
      warn(page.querySelector(".notice")?.textContent ?? "The server did not understand what was sent. Open the page again.");
    }
    return "";
  }

  async function send(path, fields) {
    if (busy) return;
    busy = true;
    const judged = path === "/label";
    if (judged) keep(fields);
    document.body.classList.add("sending");
    let reason;
    // a judgement may be sent twice; another undo would go further back, so that the page is opened to see what was done
    for (let tries = 0; (reason = await (judged || !tries ? attempt(path, fields) : attempt("/label", null))); tries += 1) {
      warn(reason + (judged
        ? " Your judgement is kept in this tab and sent again until it is saved: leave the tab open."
        : " The page is opened again until it answers."));
      await later(PAUSES[Math.min(tries, PAUSES.length - 1)]);
    }
    document.body.classList.remove("sending");
    busy = false;
  }

  function sent(event) {
    const target = event.target;
    if (!["judge", "undo"].includes(target.id)) return;
    event.preventDefault();
    const duration = target.elements.duration_ms;
    if (duration) duration.value = String(Math.round(performance.now() - shown));
    const fields = new URLSearchParams(new FormData(target, event.submitter ?? undefined));
    fields.delete("token");
    send(new URL(target.action).pathname, fields.toString());
  }

  /** What has to be done whenever there is new content. */
  function furnish() {
    shown = performance.now();
    delete document.body.dataset.ready;
    clearTimeout(settling);
    settling = setTimeout(() => { document.body.dataset.ready = "yes"; }, AFTER);
    const use = document.getElementById("use-keys");
    if (use) {
      try { use.checked = localStorage.getItem("rounds-keys") !== "off"; } catch { /* on */ }
    }
    const panel = document.getElementById("guidelines");
    if (panel) {
      const version = panel.querySelector(".hint").textContent;
      try { panel.open = localStorage.getItem("rounds-guidelines") !== version; } catch { /* closed */ }
      panel.addEventListener("toggle", () => {
        try {
          if (panel.open) localStorage.removeItem("rounds-guidelines");
          else localStorage.setItem("rounds-guidelines", version);
        } catch { /* not remembered */ }
      });
    }
  }

  function open(summary) {
    const details = summary.parentElement;
    const field = details.querySelector("textarea");
    if (field) {
      details.open = true;
      field.focus();
    } else {
      details.open = !details.open;
      summary.focus();
    }
  }

  /** Whether the page is longer than the window, so that arrows scroll. */
  const scrolls = () => document.documentElement.scrollHeight > window.innerHeight + 4;

  /** A question that a key answers: the first without an answer, or the one that has the focus. */
  function asked(control) {
    const groups = [...document.querySelectorAll("#judge fieldset")];
    if (!groups.length) return control;
    const own = document.activeElement?.closest?.("#judge fieldset");
    return own ?? groups.find((group) => !group.querySelector(":checked")) ?? groups[groups.length - 1];
  }

  function choose(group, key) {
    const radio = [...group.querySelectorAll("input[data-keys]")].find((each) => each.dataset.keys.split(" ").includes(key));
    if (!radio) return false;
    radio.checked = true;
    const groups = [...document.querySelectorAll("#judge fieldset")];
    const next = groups[groups.indexOf(group) + 1];
    (next ? next.querySelector("input") : document.querySelector("#judge [data-keys=Enter]")).focus();
    return true;
  }

  function pressed(event) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const target = event.target;
    const inField = target.matches?.("textarea, select, input:not([type=radio], [type=checkbox])");
    if (event.repeat || event.isComposing || event.altKey) return;
    if (event.ctrlKey || event.metaKey) {
      if (key === "Enter" && inField) document.querySelector("#judge button.main")?.click();
      return;
    }
    if (key === "Escape" && inField) { target.blur(); return; }
    if (key === "Enter" && target.matches?.("input[type=checkbox]")) { event.preventDefault(); return; }
    if (inField || !(document.getElementById("use-keys")?.checked ?? false)) return;
    if (busy || document.body.dataset.ready !== "yes") return;
    if (key === "Enter") {
      if (target.matches?.("button, a, summary")) return;
      const go = document.querySelector("#judge [data-keys=Enter]") ?? document.getElementById("look");
      if (go) { event.preventDefault(); go.click(); }
      return;
    }
    if ((key === "ArrowUp" || key === "ArrowDown") && scrolls()) return;
    if (key.startsWith("Arrow") && target.matches?.("input[type=radio]")) return;
    const group = asked(null);
    if (group && choose(group, key)) { event.preventDefault(); return; }
    const found = [...document.querySelectorAll("button[data-keys], summary[data-keys], label[data-keys]")]
      .find((each) => each.dataset.keys.split(" ").includes(key) && !each.disabled);
    if (!found) return;
    event.preventDefault();
    if (found.tagName === "SUMMARY") open(found);
    else if (found.tagName === "LABEL") found.control.focus();
    else found.click();
  }

  document.addEventListener("submit", sent);
  document.addEventListener("keydown", pressed);
  document.addEventListener("change", (event) => {
    if (event.target.id !== "use-keys") return;
    try { localStorage.setItem("rounds-keys", event.target.checked ? "on" : "off"); } catch { /* for this page alone */ }
  });
  document.addEventListener("input", (event) => {
    const box = document.getElementById(event.target.dataset?.edits ?? "");
    if (box) box.checked = event.target.value !== event.target.defaultValue;
  });
  window.addEventListener("beforeunload", (event) => { if (busy && kept()) event.preventDefault(); });

  furnish();
  const before = kept();
  if (before) send("/label", before);
})();
