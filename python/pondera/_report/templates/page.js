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

  // A link to details means what is inside.
  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) target.open = true;
  };
  addEventListener("hashchange", open);
  open();

  const button = document.getElementById("open-all");
  if (!button || !document.querySelector("main details")) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    const all = closed().length > 0;
    for (const one of document.querySelectorAll("main details")) one.open = all;
    button.setAttribute("aria-pressed", String(all));
    button.textContent = all ? "Close all details" : "Open all details";
  });
})();
