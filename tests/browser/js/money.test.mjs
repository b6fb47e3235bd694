/** Money shown and read without a binary float. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { difference, formatDecimal, formatMoney, isNegative, readAmount } from "../../../ledger/static/ledger/money.js";

for (const [amount, currency, locale, shown] of [
  ["1234.50", "USD", "en", "$1,234.50"],
  ["-12.50", "USD", "en", "-$12.50"],
  ["-0.05", "EUR", "en", "-€0.05"],
  ["0.00", "EUR", "en", "€0.00"],
  ["1000", "JPY", "en", "¥1,000"],
  ["1.234", "KWD", "en", "KWD 1.234"],
  ["90071992547409931234567.89", "USD", "en", "$90,071,992,547,409,931,234,567.89"],
  ["1234.50", "EUR", "de", "1.234,50 €"],
  ["nonsense", "USD", "en", "nonsense USD"],
]) {
  test(`${amount} ${currency} is shown in ${locale} as ${shown}`, () => {
    assert.equal(formatMoney(amount, currency, locale).replaceAll("\u00a0", " "), shown);
  });
}

test("a movement is shown with its sign", () => {
  assert.equal(formatMoney("5.00", "USD", "en", "exceptZero"), "+$5.00");
  assert.equal(formatMoney("-5.00", "USD", "en", "exceptZero"), "-$5.00");
});

test("credits keep the decimals they have", () => {
  assert.equal(formatDecimal("1050.25", "en"), "1,050.25");
  assert.equal(formatDecimal("7", "en"), "7");
});

for (const [after, before, moved] of [
  ["0.30", "0.10", "0.20"],
  ["0.10", "0.30", "-0.20"],
  ["9007199254740993.01", "9007199254740992.00", "1.01"],
  ["5", "4.5", "0.5"],
  ["-1.00", "1.00", "-2.00"],
  ["1.00", "1.00", "0.00"],
  ["?", "1.00", null],
]) {
  test(`from ${before} to ${after} is ${moved}`, () => {
    assert.equal(difference(after, before), moved);
  });
}

for (const [typed, isSpent, locale, read] of [
  ["12.50", true, "en", "-12.50"],
  ["12.50", false, "en", "12.50"],
  ["-3", false, "en", "-3"],
  ["−3", false, "en", "-3"],
  ["+3", true, "en", "3"],
  [" 007.10 ", false, "en", "7.10"],
  ["12,50", false, "de", "12.50"],
  ["12,50", false, "en", null],
  ["1,234", false, "en", null],
  ["1.234,50", false, "de", null],
  ["0.00", false, "en", null],
  ["", false, "en", null],
  ["1e3", false, "en", null],
  ["ten", false, "en", null],
]) {
  test(`typing "${typed}" ${isSpent ? "as spent" : "as received"} in ${locale} means ${read}`, () => {
    assert.equal(readAmount(typed, isSpent, locale), read);
  });
}

test("zero is not negative, whatever its sign", () => {
  assert.deepEqual(["-0.00", "-0.01", "0.01"].map(isNegative), [false, true, false]);
});
