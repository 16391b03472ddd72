// Numbers, times and pictures of titles.

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

export function money(value) {
  return value === undefined || value === null ? "" : value.toLocaleString("en", { style: "currency", currency: "EUR" });
}

// The class of a title's cover: six colours, the same one each time.
export function coverClass(title) {
  let hash = 0;
  for (const letter of title) hash = (hash * 31 + letter.codePointAt(0)) % 9973;
  return `c${hash % 6}`;
}

// The first letters of the first two words.
export function initials(title) {
  return title.split(" ").map((word) => word[0]).join("").slice(0, 2);
}

// An attribute, a count or a feature of an item, for people.
export function shown(value) {
  if (Array.isArray(value)) return value.join(", ");
  return value === null ? "not known" : String(value);
}
