/**
 * The first script of a page, loaded without `defer`: puts the chosen theme on the root
 * before anything is painted, so that nobody sees a flash of the other one, and the chosen
 * density, so that no row moves. Without a choice the style follows the system and is cosy.
 * It also says that scripts run, so that the style
 * can hold back the timeline until app.js has grouped and dated its rows (`on`).
 */
(() => {
  document.documentElement.dataset.scripts = "starting";
  try {
    const theme = localStorage.getItem("parlour:theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    if (localStorage.getItem("parlour:density") === "compact") document.documentElement.dataset.density = "compact";
  } catch {
    // Storage may be forbidden; what the style does by itself is right then.
  }
})();
