// Opens what is closed, for paper and for who asks for it. Without scripts each part still opens by itself.
(() => {
  "use strict";
  const closed = () => [...document.querySelectorAll("main details:not([open])")];

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = closed();
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
    opened = [];
  });

  const button = document.getElementById("open-all");
  if (!button || !document.querySelector("main details")) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    const open = closed().length > 0;
    for (const one of document.querySelectorAll("main details")) one.open = open;
    button.setAttribute("aria-pressed", String(open));
    button.textContent = open ? "Close all details" : "Open all details";
  });
})();
