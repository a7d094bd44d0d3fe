// Draws each chart of the page from the Vega-Lite specification in its figure.
for (const data of document.querySelectorAll("figure > script[type='application/json']")) {
  const holder = data.parentElement.querySelector(".chart");
  const options = {
    mode: "vega-lite",
    renderer: "svg", // real text, in the colors of the page
    actions: false,
    ast: true, // expressions are interpreted, since the page may not evaluate code
    tooltip: { disableDefaultStyle: true },
  };
  vegaEmbed(holder, JSON.parse(data.textContent), options).catch((error) => {
    holder.textContent = `This chart could not be drawn: ${error.message}`;
  });
}
