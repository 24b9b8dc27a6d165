element.append(make("div", { class: "empty" }, make("p", { text: "canvas" })));
