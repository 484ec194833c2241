// Where the console begins: its pages, the way from an address to one of them, and what is said when one cannot be shown.

import * as access from "./pages/access.js";
import * as configuration from "./pages/configuration.js";
import * as fulfilment from "./pages/fulfilment.js";
import * as integrations from "./pages/integrations.js";
import * as order from "./pages/order.js";
import * as orders from "./pages/orders.js";
import * as overview from "./pages/overview.js";
import * as recovery from "./pages/recovery.js";
import * as returns from "./pages/returns.js";
import * as sellers from "./pages/sellers.js";
import * as stock from "./pages/stock.js";
import { h, problemBox } from "./dom.js";

// The first part of an address names the page. The menu has them in this order.
const PAGES = { "": overview, orders, stock, fulfilment, returns, sellers, configuration, integrations, recovery, access };

const main = document.getElementById("main");
const nav = document.getElementById("pages");
const menu = document.getElementById("menu");

// What the page being shown still waits for ends when another one is asked for.
let leaving = new AbortController();

function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/").map(decoded);
  return { name, rest, query: new URLSearchParams(query) };
}

// An address that somebody broke names no page, or nothing that is there.
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

// Shows the page of the address. After a change it is the same page again, and its reader stays where he was.
async function show(isAgain = false) {
  const { name, rest, query } = place();
  const page = name === "orders" && rest.length > 0 ? order : Object.hasOwn(PAGES, name) && PAGES[name];
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  for (const link of nav.querySelectorAll("a")) {
    if (link.dataset.page === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  close();
  const height = isAgain ? scrollY : 0;
  const heading = h("h1", { tabindex: "-1" }, page ? page.title : "There is no such page");
  const body = h("div", { class: "page" });
  main.replaceChildren(heading, body);
  document.title = `${heading.textContent} - Orderline`;
  // Whoever listens hears the page's name; whoever has just come is left at the top.
  if (shown) heading.focus({ preventScroll: true });
  shown = true;
  if (!isAgain) scrollTo(0, 0);
  if (!page) return body.append(h("p", {}, "The menu lists the pages that there are."));
  try {
    await page.show(body, { rest, query, signal, again: () => show(true), heading });
    if (isAgain && !signal.aborted) scrollTo(0, height);
  } catch (error) {
    if (!signal.aborted) body.append(problemBox(error));
  }
}

let shown = false;

function close() {
  menu.setAttribute("aria-expanded", "false");
  nav.classList.remove("open");
}

menu.addEventListener("click", () => {
  const opens = menu.getAttribute("aria-expanded") === "false";
  menu.setAttribute("aria-expanded", String(opens));
  nav.classList.toggle("open", opens);
});
nav.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !nav.classList.contains("open")) return;
  close();
  menu.focus();
});
// The link past the menu is no address of a page.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});

nav.append(
  h("ul", {}, Object.entries(PAGES).map(([name, page]) =>
    h("li", {}, h("a", { href: `#/${name}`, "data-page": name }, page.title)))),
);
addEventListener("hashchange", () => show());
// A new token sees other things.
addEventListener("orderline-token", () => show());
show();
