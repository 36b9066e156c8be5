// What the server says about a file, in words and bars.

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const list = (entries, className = "") => make("dl", { className },
  ...entries.map(([key, value]) => make("div", {}, make("dt", {}, key), make("dd", {}, value))));

function describe(place, { facts, error, error_map, parts, text }) {
  if (error) place.append(make("h2", {}, "Error, as the file states it"), ...errorFigures(error));
  if (error_map) place.append(
    make("h2", {}, "Error map"), make("div", { className: "ramp" }),
    make("div", { className: "ends" }, ...["same", "rms 11 of 255", "128 and more"].map(end => make("span", {}, end))));
  place.append(make("h2", {}, "The file"), list(Object.entries(facts)));
  const largest = Math.max(...parts.map(part => part.bytes));
  place.append(make("h2", {}, "Parts of the file"), make("table", { className: "parts" }, make("tbody", {},
    ...parts.map(({ name, bytes }) => {
      const bar = make("i");
      bar.style.width = `${100 * bytes / largest}%`;
      return make("tr", {}, make("th", { scope: "row" }, name), make("td", { className: "bar" }, bar),
        make("td", {}, `${bytes.toLocaleString("en")} bytes`));
    }))));
  if (Object.keys(text).length) place.append(make("h2", {}, "Texts"), list(Object.entries(text), "texts"));
}

function errorFigures(error) {
  const same = error.psnr === 100;
  const figures = [
    ["PSNR", same ? "same pixels" : error.psnr && `${error.psnr.toFixed(1)} dB`],
    ["MS-SSIM", error.ms_ssim?.toFixed(error.ms_ssim < 0.99 ? 3 : 5)],
    ["SSIMULACRA 2", error.ssimulacra2?.toFixed(1)],
  ].filter(([, value]) => value);
  const kinds = { synthesised: "synthesised", patched: "patched", whole: "stored as pixels" };
  const shares = Object.keys(kinds).filter(kind => error[kind]);
  const bar = make("div", { className: "shares", ariaHidden: "true" }, ...shares.map(kind => {
    const part = make("i", { className: kind });
    part.style.flexGrow = error[kind];
    return part;
  }));
  const key = make("ul", { className: "key" }, ...shares.map(kind => make("li", {}, make("i", { className: kind }),
    `${Math.round(100 * error[kind])} % ${kinds[kind]}`)));
  return [list(figures, "figures"), bar, key];
}
