// Puts the state of the workspace into the dashboard every few seconds. Without it, the page is as it was opened.
"use strict";

const EVERY = 4000;
const live = document.getElementById("live");
let said = document.querySelector("[data-say]")?.dataset.say ?? "";

// Whether somebody has begun to fill a form.
function begun(form) {
  return [...form.elements].some((field) => (
    field.type === "checkbox" ? field.checked !== field.defaultChecked
      : field.matches("input, textarea") && field.value !== field.defaultValue));
}

// A form about the same thing as the fresh one stays: the key makes it start one run. One that somebody has begun to
// fill stays in any case; it cannot be sent while what it is about has changed, nor while it is gone.
function keepForm(old, fresh) {
  const form = old.querySelector("form");
  if (form === null) return false;
  const same = fresh.querySelector("form")?.dataset.about === form.dataset.about;
  for (const button of form.querySelectorAll("button")) button.disabled = !same;
  form.querySelector("[data-outdated]").hidden = same;
  return same || begun(form);
}

// A part in which somebody works stays as it is: neither focus nor a selection may be lost.
function busy(part) {
  const selection = window.getSelection();
  const selects = selection !== null && !selection.isCollapsed && part.contains(selection.anchorNode);
  const focused = document.activeElement;
  return selects || (focused !== null && focused !== document.body && part.contains(focused));
}

function replace(page) {
  for (const fresh of page.querySelectorAll("[data-live]")) {
    const old = document.getElementById(fresh.id);
    if (old === null || keepForm(old, fresh) || busy(old)) continue;
    for (const detail of old.querySelectorAll("details[open]")) {
      const again = fresh.querySelector(`#${CSS.escape(detail.id)}`);
      if (again !== null) again.open = true;
    }
    const scrolled = [...old.querySelectorAll(".scrolls")].map((box) => box.scrollLeft);
    if (old.isEqualNode(fresh)) continue;
    old.replaceWith(document.adoptNode(fresh));
    [...fresh.querySelectorAll(".scrolls")].forEach((box, index) => { box.scrollLeft = scrolled[index] ?? 0; });
    if (fresh.dataset.say !== undefined && fresh.dataset.say !== said) {
      said = fresh.dataset.say;
      live.textContent = said;
    }
  }
}

// Says that the page is not up to date; without a reason, that it is.
function stale(reason, link) {
  const note = document.getElementById("stale");
  note.hidden = reason === "";
  if (note.textContent.startsWith(reason) && reason !== "") return;
  note.textContent = reason;
  if (link === undefined) return;
  const anchor = document.createElement("a");
  anchor.href = "/login?next=/dashboard";
  anchor.textContent = link;
  note.append(" ", anchor);
}

async function refresh() {
  if (document.hidden) return;
  try {
    const response = await fetch(`/dashboard/state${window.location.search}`, { redirect: "manual" });
    if (response.type === "opaqueredirect") return stale("Not up to date: your login has ended.", "Log in");
    if (!response.ok) return stale(`Not up to date: the server answers with status ${response.status}.`);
    replace(new DOMParser().parseFromString(await response.text(), "text/html"));
    document.getElementById("at").textContent = `${new Date().toISOString().slice(11, 19)} UTC`;
    stale("");
  } catch {
    stale("Not up to date: the server does not answer.");
  }
}

// One after the other: a server that is slow to answer must not be asked more and more.
async function follow() {
  await refresh();
  setTimeout(follow, EVERY);
}

setTimeout(follow, EVERY);
