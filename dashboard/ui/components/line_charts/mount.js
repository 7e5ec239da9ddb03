// Hands the data to the element of group.js, as soon as that is there.
export default function ({ data, parentElement }) {
  const charts = parentElement.querySelector("fer-charts");
  customElements.whenDefined("fer-charts").then(() => (charts.data = data));
}
