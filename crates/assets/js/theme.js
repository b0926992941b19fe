/**
 * The first script of a page, loaded without `defer`: puts the chosen theme on the root
 * before anything is painted, so that nobody sees a flash of the other one. Without a
 * choice the style follows the system. It also says that scripts run, so that the style
 * can hold back the timeline until app.js has grouped and dated its rows (`on`).
 */
(() => {
  document.documentElement.dataset.scripts = "starting";
  try {
    const theme = localStorage.getItem("parlour:theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; the system's theme is right then.
  }
})();
