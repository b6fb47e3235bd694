/**
 * Money as text: shown, compared and read without ever becoming a binary float.
 *
 * Separate so that no other script of the page has a reason to calculate with amounts.
 *
 * @module
 */

const DECIMAL = /^([+-]?)(\d+)(?:\.(\d+))?$/;

/** @type {Map<string, Intl.NumberFormat>} */
const formats = new Map();

/**
 * Show a decimal string as money of `currency`, with exactly the decimals it has.
 *
 * @param {string} amount @param {string} currency @param {string} locale
 * @param {"auto" | "exceptZero"} [signDisplay]
 */
export function formatMoney(amount, currency, locale, signDisplay = "auto") {
  return format(amount, locale, { style: "currency", currency, signDisplay }) ?? `${amount} ${currency}`;
}

/**
 * Show a decimal string as a plain number, with exactly the decimals it has.
 *
 * @param {string} amount @param {string} locale
 * @param {"auto" | "exceptZero"} [signDisplay]
 */
export function formatDecimal(amount, locale, signDisplay = "auto") {
  return format(amount, locale, { signDisplay }) ?? amount;
}

/** @param {string} amount */
export function isNegative(amount) {
  return amount.startsWith("-") && /[1-9]/.test(amount);
}

/**
 * How much was added on the way from `before` to `after`, as a decimal string; null when that cannot be told.
 *
 * @param {string} after @param {string} before
 */
export function difference(after, before) {
  const [a, b] = [DECIMAL.exec(after), DECIMAL.exec(before)];
  if (!a || !b) return null;
  const places = Math.max(a[3]?.length ?? 0, b[3]?.length ?? 0);
  const units = scaled(a, places) - scaled(b, places);
  const digits = String(units < 0n ? -units : units).padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places);
  return (units < 0n ? "-" : "") + whole + (places ? `.${digits.slice(-places)}` : "");
}

/**
 * Read what was typed as an amount; null when it is none.
 *
 * Takes a point, and the comma where the language writes it so. Separators of thousands are refused: "1,234" is
 * a thousand to one reader and a little more than one to another.
 *
 * @param {string} typed @param {boolean} isSpent whether an amount without a sign leaves the account
 * @param {string} locale
 */
export function readAmount(typed, isSpent, locale) {
  const separator = new Intl.NumberFormat(locale).formatToParts(1.5).find(({ type }) => type === "decimal")?.value ?? ".";
  const text = typed.trim().replace("−", "-").replace(separator, ".");
  const [, sign = "", whole, fraction] = DECIMAL.exec(text) ?? [];
  if (whole === undefined || !/[1-9]/.test(text)) return null;
  const negative = sign ? sign === "-" : isSpent;
  return (negative ? "-" : "") + BigInt(whole) + (fraction ? `.${fraction}` : "");
}

/**
 * Format by the pattern of the language, with our own digits in place of the pattern's.
 *
 * @param {string} amount @param {string} locale @param {Intl.NumberFormatOptions} options
 */
function format(amount, locale, options) {
  const read = DECIMAL.exec(amount);
  if (!read) return null;
  const [, , whole, fraction = ""] = read;
  const isZero = !/[1-9]/.test(amount);
  const sample = isZero ? 0 : isNegative(amount) ? -1 : 1;
  return formatter(locale, { ...options, minimumFractionDigits: fraction.length, maximumFractionDigits: fraction.length })
    .formatToParts(sample)
    .map(({ type, value }) => (type === "integer" ? grouped(whole, locale) : type === "fraction" ? fraction : value))
    .join("");
}

/** @param {string} whole @param {string} locale */
function grouped(whole, locale) {
  return formatter(locale, {}).format(BigInt(whole));
}

/** @param {string} locale @param {Intl.NumberFormatOptions} options */
function formatter(locale, options) {
  const key = JSON.stringify([locale, options]);
  const known = formats.get(key) ?? new Intl.NumberFormat(locale, { numberingSystem: "latn", ...options });
  formats.set(key, known);
  return known;
}

/** @param {RegExpExecArray} read @param {number} places */
function scaled([, sign, whole, fraction = ""], places) {
  const units = BigInt(whole + fraction.padEnd(places, "0"));
  return sign === "-" ? -units : units;
}
