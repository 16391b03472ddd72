// Numbers, times and money for people.

// A prediction: probabilities in percent, long durations in minutes.
export function prediction(value, kind) {
  if (kind === "probability") return `${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %`;
  return value >= 600 ? `${(value / 60).toFixed(0)} min` : value.toFixed(value < 10 ? 1 : 0);
}

// Seconds as m:ss.
export function clock(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

// A price. `currency`: a code such as EUR; anything else is written behind the number. "" for an unknown price.
export function money(value, currency) {
  if (value === undefined || value === null) return "";
  try {
    if (currency) return value.toLocaleString("en", { style: "currency", currency: currency.toUpperCase() });
  } catch { /* no code of a currency */ }
  const number = value.toLocaleString("en", { minimumFractionDigits: Number.isInteger(value) ? 0 : 2, maximumFractionDigits: 2 });
  return currency ? `${number} ${currency}` : number;
}

// The sum of prices, if all are known and in one currency; otherwise "".
export function total(prices) {
  const currencies = new Set(prices.map((one) => one.currency));
  if (!prices.length || currencies.size > 1 || prices.some((one) => typeof one.price !== "number")) return "";
  return money(prices.reduce((sum, one) => sum + one.price, 0), prices[0].currency);
}

// A number with two decimals from 100 on, and with four digits that count below: 0.01234, 12.35, 131.95, 12,350. Years stay as they are.
export function rounded(value) {
  if (!Number.isFinite(value)) return "";
  if (Number.isInteger(value) && Math.abs(value) < 10_000) return String(value);
  if (Math.abs(value) >= 100) return value.toLocaleString("en", { maximumFractionDigits: 2, useGrouping: Math.abs(value) >= 1000 });
  return String(Number(value.toPrecision(4)));
}

// An attribute, a count or a feature of an item, for people; null where nothing is known of it.
export function shown(value) {
  if (value === null || value === undefined || value === "") return null;
  if (Array.isArray(value)) return value.length ? value.map((one) => shown(one) ?? "–").join(", ") : null;
  return typeof value === "number" ? rounded(value) : String(value);
}

// What a tile says below its title: its reason, in rows whose heading is none.
export function caption(reason, line) {
  return reason === line.title || !["picks", "attribute"].includes(line.kind) ? "" : reason;
}
