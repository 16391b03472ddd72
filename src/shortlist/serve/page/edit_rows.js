// The editor of the rows of a placement's pages, of the tab "Settings".
import { element } from "./dom.js";
import { BoxList, choice, labelled, line, textsOf } from "./edit_fields.js";
import { conditionText, readRow, words } from "./edit_values.js";

const KINDS = ["picks", "because", "attribute", "trending", "new", "again", "continue"];

export class RowList extends BoxList {
  constructor(changed) { super(changed, { "Add a row": { kind: "picks" } }); }

  // The rows as the server takes them.
  get values() { return this.boxes.map((box) => readRow(textsOf(box))); }

  // Add a kind of row as a group of inputs.
  add(row, focus = false) {
    const top = element("div", "row named"), kind = choice(KINDS, row.kind, "kind", words), title = line("text", row.title, "title", "by kind");
    const of = labelled("Attribute", line("text", row.of, "of")), titled = labelled("Title", title);
    const unit = labelled("Unit", line("number", row.unit, "unit", 1)), window_ = labelled("Period", line("text", row.window, "window", "14d"));
    top.append(labelled("Kind", kind), labelled("At most", line("number", row.most, "most", 1)), of, unit, window_);
    const fit = () => {
      of.hidden = !["attribute", "continue"].includes(kind.value);
      unit.hidden = kind.value !== "continue";
      window_.hidden = !["new", "continue"].includes(kind.value);
      titled.hidden = ["because", "attribute"].includes(kind.value);
      return (titled.hidden ? "" : title.value.trim()) || words(kind.value);
    };
    this.append([top, titled, labelled("Only items that", line("text", conditionText(row.filters), "filters"))], fit, focus);
  }
}
