// How values are shown and read: money by its currency's minor unit, times in the reader's zone, counts, durations.

const COUNT = new Intl.NumberFormat();
const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** A whole number with its thousands apart; a dash for none. */
export function count(value) {
  return value === null || value === undefined ? "-" : COUNT.format(typeof value === "string" ? BigInt(value) : value);
}

/** How many of something: counted(1, "file") is "1 file". */
export function counted(value, one) {
  return `${count(value)} ${one}${Number(value) === 1 ? "" : "s"}`;
}

function digits(currency) {
  try {
    return new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
  } catch {
    return 0;
  }
}

/** An amount in minor units as people write it. Its digits are moved, never divided: what was exact stays so. */
export function money(minor, currency) {
  if (minor === null || minor === undefined) return "-";
  if (!currency) return `${count(minor)} minor`;
  const places = digits(currency);
  const whole = BigInt(minor);
  const text = (whole < 0n ? -whole : whole).toString().padStart(places + 1, "0");
  const split = text.length - places;
  const major = COUNT.format(BigInt(text.slice(0, split)));
  const point = new Intl.NumberFormat().formatToParts(1.5).find((part) => part.type === "decimal").value;
  return `${whole < 0n ? "-" : ""}${major}${places ? point + text.slice(split) : ""} ${currency}`;
}

/** Minor units as an input field has them: with a point, without a currency. */
export function moneyField(minor, currency) {
  const places = digits(currency);
  const text = String(Math.max(0, minor ?? 0)).padStart(places + 1, "0");
  return places ? `${text.slice(0, -places)}.${text.slice(-places)}` : text;
}

/** Reads an amount; throws a sentence when it is none. */
export function parseMoney(text, currency) {
  const places = digits(currency);
  const match = /^(\d+)(?:[.,](\d*))?$/.exec(text.trim());
  const fraction = match?.[2] ?? "";
  if (!match || fraction.length > places) {
    throw new Error(places
      ? `An amount in ${currency} is digits with at most ${places} behind the point.`
      : `An amount in ${currency} is whole.`);
  }
  return Number(match[1] + fraction.padEnd(places, "0"));
}

/** A time; a dash for none. */
export function time(text) {
  return text ? TIME.format(new Date(text)) : "-";
}

/** Seconds in the largest unit that is whole. */
export function seconds(value) {
  if (value === null || value === undefined) return "for ever";
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (value >= size && value % size === 0) return `${value / size} ${unit}${value === size ? "" : "s"}`;
  }
  return `${count(value)} s`;
}

/** Microseconds, short. */
export function micros(value) {
  if (value === null || value === undefined) return "-";
  if (value < 1000) return `${value} µs`;
  if (value < 1_000_000) return `${(value / 1000).toPrecision(3)} ms`;
  return `${(value / 1_000_000).toPrecision(3)} s`;
}

/** Bytes, short. */
export function bytes(value) {
  for (const [unit, size] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]]) {
    if (value >= size) return `${(value / size).toPrecision(3)} ${unit}`;
  }
  return `${value} B`;
}

/** Basis points as a percentage. */
export function percent(basisPoints) {
  return `${basisPoints / 100} %`;
}

/** A kind as words: OrderPlaced is "order placed". */
export function words(kind) {
  return kind.replace(/[A-Z]/g, (letter, index) => (index ? " " : "") + letter.toLowerCase());
}
