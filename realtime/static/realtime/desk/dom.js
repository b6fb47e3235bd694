/**
 * The few moves that the desk's pages make with their document.
 *
 * Separate from those of any host project: the desk comes with the app.
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

/** The page's sentences by name; `{count}` and the like are filled in. @param {string} name @param {Record<string, unknown>} [values] */
export function phrase(name, values = {}) {
  const text = find("#desk-phrases").content.querySelector(`[data-phrase="${name}"]`)?.textContent ?? name;
  return text.replace(/\{(\w+)\}/g, (/** @type {string} */ _, /** @type {string} */ key) => String(values[key] ?? ""));
}

/** What the server gave the page. @returns {{cursor: string, user: string, urls: Record<string, string>} & Record<string, any>} */
export function given() {
  return JSON.parse(find("#desk-data").textContent);
}

/**
 * Replace the rows of a table's body. Each cell is text, or an element.
 *
 * @param {HTMLElement} body @param {(string | number | Node)[][]} rows
 */
export function fillTable(body, rows) {
  const labels = [...(body.closest("table")?.querySelectorAll("thead th") ?? [])].map((head) => head.textContent ?? "");
  body.replaceChildren(
    ...rows.map((cells) => {
      const row = document.createElement("tr");
      cells.forEach((cell, index) => {
        const element = document.createElement("td");
        element.dataset.label = labels[index] ?? "";
        element.append(cell instanceof Node ? cell : String(cell));
        row.append(element);
      });
      return row;
    }),
  );
}

/** A number as one reads it: few digits, in the page's language. @param {number | null | undefined} value @param {number} [digits] */
export function number(value, digits = 1) {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString(document.documentElement.lang || "en", { maximumFractionDigits: value < 100 ? digits : 0 });
}
