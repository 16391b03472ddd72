// Choose whose slate is shown: a user of the log, or a new visitor.
import { option } from "./dom.js";

// The id of a new visitor. `random`: a whole number.
export function visitorId(random = crypto.getRandomValues(new Uint32Array(1))[0]) {
  return `visitor-${random.toString(36)}`;
}

// Fill a `select` with people and call `choose(user, isNew)` for each choice; returns the user chosen first.
export function pickPerson({ select, visitorButton }, people, choose) {
  select.append(...people.map((person, at) => option(`${person.user} (${person.events} events)`, at)));
  select.addEventListener("change", () => choose(people[select.value].user, false));
  visitorButton.addEventListener("click", () => choose(visitorId(), true));
  return people.length ? people[0].user : "visitor";
}
