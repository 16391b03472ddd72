// The product tab: the page as a person would see it. A `Product` holds who looks and what every view needs.
import { client, loadPeople, loadProject } from "./api.js";
import { art } from "./art.js";
import { $, actionButton, element, option } from "./dom.js";
import { pickPerson } from "./person_picker.js";
import { eventsOf, usualContext, viewRequest } from "./requests.js";

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

  // Whether the log has a kind of event for an action.
  can(action) { return action in this.project.actions; }

  // Store what the user did with an item of a slate, as the product would: pairs of an action and a value.
  async record(row, ...done) {
    const { user, context, project: { actions } } = this;
    const events = eventsOf({ user, context, actions }, row, done);
    if (events.length) await client.send(events);
  }

  // The picture of an item. `facts`: as the server describes it, if it is known.
  art(row, facts, className) {
    return art({ item: row.item, title: row.title, image: facts?.image, tags: facts?.tags }, this.project.image_hosts, className);
  }

  button(label, className, run) { return actionButton(label, className, run, this.say); }

  // Show nodes, or how to fill the tab where there is nothing to show.
  fill(nodes) {
    this.body.replaceChildren(...(nodes.length ? nodes : [element("p", "empty card",
      "Nothing to show for this person: no row of the page has three items. [page] in the project file lists the rows; filters and stock may leave nothing.")]));
  }

  // Fill the bar above the product: who looks, and each column of the context.
  async start() {
    const visitorButton = $("product-visitor");
    this.user = pickPerson({ select: $("product-user"), visitorButton }, await loadPeople(), (user, isNew) => {
      this.user = user;
      this.say(isNew ? "New here: nothing is known yet." : "");
      this.show();
    });
    this.context = usualContext(this.project.context);
    for (const [name, values] of Object.entries(this.project.context)) {
      if (values.length < 2) continue;  // nothing to choose
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
