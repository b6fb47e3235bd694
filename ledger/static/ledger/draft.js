/**
 * What is being typed into a form, kept for as long as the tab lives: over a reload, another language, a sign-in.
 *
 * Separate because the form need not know: it is filled in again before anybody looks.
 *
 * @module
 */

/**
 * Fill the form in as it was left, and keep what is typed from now on.
 *
 * @param {HTMLFormElement} form @param {string} owner nobody else's is filled in
 * @returns {() => void} keeps what the form holds now, as after it was emptied
 */
export function keepDraft(form, owner) {
  const key = `draft ${form.id} ${owner}`;
  const fields = () => [...form.elements].filter((field) => "name" in field && field.name);
  restore(fields(), read(key));
  const isEmpty = () => fields().every((field) => !isText(field) || !field.value);
  const keep = () => write(key, isEmpty() ? {} : Object.fromEntries(new FormData(form)));
  form.addEventListener("input", keep);
  return keep;
}

/** @param {Element[]} fields @param {Record<string, string>} kept */
function restore(fields, kept) {
  for (const field of fields) {
    if (!(field instanceof HTMLInputElement || field instanceof HTMLSelectElement) || !(field.name in kept)) continue;
    if (field.type === "radio") /** @type {HTMLInputElement} */ (field).checked = field.value === kept[field.name];
    else field.value = kept[field.name];
  }
}

/** Whether this is where somebody writes; what is chosen alone is no draft. @param {Element} field @returns {field is HTMLInputElement} */
function isText(field) {
  return field instanceof HTMLInputElement && field.type === "text";
}

/** @param {string} key @returns {Record<string, string>} */
function read(key) {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "{}");
  } catch {
    return {}; // a browser that keeps nothing, or what is no draft
  }
}

/** @param {string} key @param {Record<string, FormDataEntryValue>} draft */
function write(key, draft) {
  try {
    sessionStorage.setItem(key, JSON.stringify(draft));
  } catch {
    // A browser that keeps nothing: then only this page does.
  }
}
