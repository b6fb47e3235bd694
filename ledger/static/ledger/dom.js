/**
 * Small help with the document: find, copy templates, keep a list in step, light up what changed.
 *
 * Separate because each part of the page needs the same few moves.
 *
 * @module
 */

/**
 * Find the one element that has to be there.
 *
 * @param {string} selector @param {ParentNode} [within]
 * @returns {any} of whatever type the caller knows it to be
 */
export function find(selector, within = document) {
  const element = within.querySelector(selector);
  if (!element) throw new Error(`the page has no ${selector}`);
  return element;
}

/** A copy of the only element of a `<template>`. @param {string} id @returns {HTMLElement} */
export function copyOf(id) {
  return find(`#${id}`).content.firstElementChild.cloneNode(true);
}

/** Set the text of the element marked `data-<slot>`, only when it differs. @param {ParentNode} within @param {string} slot @param {string} text */
export function fill(within, slot, text) {
  const element = find(`[data-${slot}]`, within);
  if (element.textContent !== text) element.textContent = text;
  return element;
}

/**
 * Keep the children of `list` in step with `items`: one element each, in order, made, filled anew when the item
 * is another object, moved, or removed. The focus stays where it was.
 *
 * @template {{id: string}} Item
 * @param {HTMLElement} list @param {Item[]} items
 * @param {{make: () => HTMLElement, show: (element: HTMLElement, item: Item) => void}} view
 */
export function keepInStep(list, items, { make, show }) {
  const focused = document.activeElement;
  const elements = new Map([...list.children].map((child) => [/** @type {HTMLElement} */ (child).dataset.id, child]));
  const wanted = items.map((item) => {
    const element = /** @type {HTMLElement} */ (elements.get(item.id) ?? make());
    element.dataset.id = item.id;
    show(element, item);
    return element;
  });
  const kept = new Set(wanted);
  for (const child of [...list.children]) if (!kept.has(/** @type {HTMLElement} */ (child))) child.remove();
  wanted.forEach((element, index) => {
    if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
  });
  if (focused instanceof HTMLElement && focused !== document.activeElement && focused.isConnected) {
    focused.focus({ preventScroll: true });
  }
}

/** Light the element up for a moment. @param {Element | null} element @param {string} [tone] */
export function flash(element, tone = "changed") {
  if (!(element instanceof HTMLElement)) return;
  element.removeAttribute("data-flash");
  void element.offsetWidth; // lets the animation start anew
  element.dataset.flash = tone;
}

document.addEventListener("animationend", ({ target, animationName }) => {
  if (animationName.startsWith("flash") && target instanceof HTMLElement) target.removeAttribute("data-flash");
});

/**
 * Let a button open and close what it controls, where there is too little room to show it always.
 *
 * @param {string} selector @param {() => void} [opened]
 */
export function openToggle(selector, opened = () => undefined) {
  const toggle = find(selector);
  toggle.addEventListener("click", () => {
    toggle.ariaExpanded = String(toggle.ariaExpanded !== "true");
    if (toggle.ariaExpanded === "true") opened();
  });
}

/** The page's sentences, in its language, by name; `{who}` and the like are filled in. @param {string} name @param {Record<string, unknown>} [values] */
export function phrase(name, values = {}) {
  const text = find("#phrases").content.querySelector(`[data-phrase="${name}"]`)?.textContent ?? name;
  return text.replace(/\{(\w+)\}/g, (/** @type {string} */ _, /** @type {string} */ key) => String(values[key] ?? ""));
}

export const locale = document.documentElement.lang || "en";
