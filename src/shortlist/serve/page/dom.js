// Small helpers to build the page. Data enters as text only, never as markup.

export const $ = (id) => document.getElementById(id);

// An element with a class and a text.
export function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// An element for each pair of a class and a text, without those whose text is empty.
export function texts(tag, pairs) {
  return pairs.filter(([, text]) => text).map(([className, text]) => element(tag, className, text));
}

// An `option` of a `select`.
export function option(text, value) {
  const node = element("option", "", text);
  if (value !== undefined) node.value = value;
  return node;
}

// A button that runs an action. It is disabled meanwhile; an error goes to `report`.
export function actionButton(label, className, run, report) {
  const button = element("button", className, label);
  button.type = "button";
  button.addEventListener("click", async () => {
    button.disabled = true;
    try { await run(); } catch (error) { report(error.message); } finally { button.disabled = false; }
  });
  return button;
}

// A button that stands for an item.
export function itemButton(item, label, run, report) {
  const button = element("button");
  button.type = "button";
  button.dataset.item = item;
  button.setAttribute("aria-label", label);
  button.addEventListener("click", () => run().catch((error) => report(error.message)));
  return button;
}
