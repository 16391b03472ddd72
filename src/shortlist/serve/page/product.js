// The product tab: the page as a person would see it. A `Product` holds who looks and what every view needs.
import { call, loadPeople, loadProject } from "./api.js";
import { $, actionButton, element, option } from "./dom.js";
import { coverClass } from "./format.js";
import { pickPerson } from "./person_picker.js";
import { eventsOf, viewRequest } from "./requests.js";

export class Product {
  // `view`: draws the product into a body.
  constructor(project, view) {
    this.project = project;
    this.view = view;
    this.user = null;
    this.context = {};
    this.body = $("product-body");
    this.say = this.say.bind(this);
    this.show = this.show.bind(this);
  }

  say(text) { $("product-said").textContent = text; }

  async show() {
    try { await this.view(this); } catch (error) { this.say(error.message); }
  }

  request(more) { return viewRequest(this.user, this.context, more); }

  // Send what the user did, as the product would.
  async record(item, slate, ...done) {
    const { user, context, project: { kinds } } = this;
    const events = eventsOf({ user, context, kinds }, item, slate, done);
    if (events.length) await call("/v1/events", { events });
  }

  button(label, className, run) { return actionButton(label, className, run, this.say); }

  // Fill the bar above the product: who looks, and each column of the context.
  async start() {
    const visitorButton = $("product-visitor");
    this.user = pickPerson({ select: $("product-user"), visitorButton }, await loadPeople(), (user, isNew) => {
      this.user = user;
      this.say(isNew ? "New here: nothing is known yet." : "");
      this.show();
    });
    for (const [name, values] of Object.entries(this.project.context)) {
      this.context[name] = values[0];
      const label = element("label", "", `${name} `), choice = element("select");
      choice.id = `product-${name}`;
      choice.append(...values.map((value) => option(value)));
      choice.addEventListener("change", () => { this.context[name] = choice.value; this.show(); });
      label.append(choice);
      $("product-as").insertBefore(label, visitorButton);
    }
  }
}

// Start the product tab, if the project has one of the views; returns the product.
export async function startProduct(views, tabs) {
  const names = { shelf: "Store", feed: "Feed", shop: "Shop", rows: "Home" };
  const project = await loadProject();
  if (!(project.view in names)) return null;
  const product = new Product(project, views[project.view]);
  await product.start();
  tabs.reveal("product", names[project.view], product.show);
  if (!location.hash || location.hash === "#product") tabs.open("product");
  return product;
}

// A picture that stands for an item.
export function cover(title, className = "") {
  const node = element("span", `art ${coverClass(title)} ${className}`);
  node.setAttribute("aria-hidden", "true");
  return node;
}

// A row of tiles. A row that is wider than the window can be scrolled by keyboard, too.
export function strip(title, tiles, className = "") {
  const row = element("section", `strip ${className}`), list = element("ol", "tiles-row");
  list.tabIndex = 0;
  list.setAttribute("aria-label", title);
  list.append(...tiles);
  row.append(element("h2", "", title), list);
  return row;
}
