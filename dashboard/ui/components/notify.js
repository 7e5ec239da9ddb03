// Notifications of the browser for runs that have ended, for those who asked for them and look at something else.
const shown = new Set();

export default function ({ data }) {
  if (!data.wanted || !("Notification" in window)) return; // only HTTPS and localhost have them
  if (Notification.permission === "default") Notification.requestPermission();
  for (const [id, text] of Object.entries(data.ended)) {
    if (shown.has(id) || Notification.permission !== "granted") continue;
    shown.add(id);
    if (document.hidden || !document.hasFocus()) new Notification("FER Dashboard", { body: text, tag: id });
  }
}
