
// One product, as a card. Everything in it may be unknown but its asin and title.

const MONEY = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });
const STAR = "M10 1.5l2.6 5.4 5.9.8-4.3 4.1 1 5.9L10 14.9l-5.2 2.8 1-5.9L1.5 7.7l5.9-.8z";

function card(product) {
  const address = webAddress(product.productURL ?? "");
  const title = product.title;
  const name = address
    ? h("a", { href: address, rel: "noopener noreferrer nofollow", target: "_blank", dir: "auto", title }, title)
    : h("span", { dir: "auto", title }, title);
  return h(
    "li",
    { class: "card" },
    h("div", { class: "picture" }, product.isBestSeller === true && h("span", { class: "badge" }, "Best seller"), picture(product)),
    h("div", { class: "words" }, h("h2", { class: "name-of" }, name), rating(product), price(product), bought(product)),
  );
}

/** The picture; a drawing where there is none, or none that can be shown. */
function picture(product) {
  const address = webAddress(product.imgUrl ?? "");
  // The policy lets no picture come unprotected.
  if (!address?.startsWith("https:")) return drawing(product.asin);
  const image = h("img", { alt: "", loading: "lazy", decoding: "async", width: 320, height: 320, referrerpolicy: "no-referrer" });
  const giveUp = () => image.replaceWith(drawing(product.asin));
  image.addEventListener("error", giveUp, { once: true });
  // Shops answer with a single dot for a picture that is gone.
  image.addEventListener("load", () => image.naturalWidth < 2 && giveUp(), { once: true });
  image.setAttribute("src", address);
  return image;
}

/** A parcel on a ground whose colour is the product's own. */
function drawing(asin) {
  let sum = 0;
  for (const letter of asin) sum = (sum * 31 + letter.codePointAt(0)) % 65_521;
  // Neighbours are far apart on the wheel.
  const hue = (sum * 137) % 360;
  const drawn = s(
    "svg",
    { class: "drawn", viewBox: "0 0 100 100", "aria-hidden": "true" },
    s("rect", { width: 100, height: 100 }),
    s("circle", { cx: 50, cy: 50, r: 31 }),
    s("path", { d: "M50 34l17 8v17l-17 8-17-8V42zM33 42l17 8 17-8M50 50v17M41.5 38l17 8" }),
  );
  drawn.style.setProperty("--hue", String(hue));
  return drawn;
}

function rating({ stars, reviews }) {
  const isKnown = typeof stars === "number";
  // The data set has 0 for what nobody has rated.
  if (!isKnown || (stars === 0 && !reviews)) return h("p", { class: "rating" }, "Not rated yet");
  const words = `${stars.toFixed(1)} out of 5 stars`;
  return h(
    "p",
    { class: "rating" },
    starRow(stars),
    h("span", { class: "seen-by-readers" }, words),
    h("span", { "aria-hidden": "true" }, stars.toFixed(1)),
    reviews ? h("span", {}, `(${SHORT.format(reviews)})`, h("span", { class: "seen-by-readers" }, " reviews")) : null,
  );
}

function starRow(stars) {
  const row = s("svg", { class: "stars", viewBox: "0 0 104 20", preserveAspectRatio: "xMinYMid slice", "aria-hidden": "true" });
  for (let i = 0; i < 5; i += 1) {
    const share = Math.min(1, Math.max(0, stars - i));
    const at = `translate(${i * 21} 0)`;
    row.append(s("path", { d: STAR, class: "none", transform: at }));
    // Cut at its share: a drawing within a drawing clips by itself.
    if (share > 0) row.append(s("svg", { x: i * 21, width: 20 * share, height: 20 }, s("path", { d: STAR, class: "full" })));
  }
  return row;
}

function price({ price, listPrice }) {
  if (typeof price !== "number") return h("p", { class: "price" }, h("span", { class: "soft" }, "Price not known"));
  const wasMore = typeof listPrice === "number" && listPrice > price;
  const less = wasMore ? Math.round((1 - price / listPrice) * 100) : 0;
  return h(
    "p",
    { class: "price" },
    h("strong", {}, MONEY.format(price)),
    wasMore && h("s", {}, h("span", { class: "seen-by-readers" }, "before: "), MONEY.format(listPrice)),
    less > 0 && h("span", { class: "less" }, `−${less}%`),
  );
}

function bought({ boughtInLastMonth: count }) {
  return h("p", { class: "bought" }, count ? `${SHORT.format(count)}+ bought last month` : "");
}

/** A card's outline while there is nothing to show: as high as a card, so that nothing moves. */
function bones() {
  return h(
    "li",
    { class: "card", "aria-hidden": "true" },
    h("div", { class: "picture bone" }),
    h(
      "div",
      { class: "words" },
      h("div", { class: "name-of" }, h("div", { class: "bones" }, h("span", { class: "bone w90" }), h("span", { class: "bone w70" }), h("span", { class: "bone w50" }))),
      h("p", { class: "rating" }, h("span", { class: "bone w50" })),
      h("p", { class: "price" }, h("span", { class: "bone w30" })),
      h("p", { class: "bought" }),
    ),
  );
}
