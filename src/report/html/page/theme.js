// Light or dark: what the system says, until the button is pressed.
const theme = {
  listeners: [],
  system: matchMedia("(prefers-color-scheme: dark)"),

  isDark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : theme.system.matches;
  },

  changed() {
    byId("theme").textContent = theme.isDark() ? "Light" : "Dark";
    for (const listener of theme.listeners) listener();
  },

  begin() {
    // A page opened from a file may have no storage; then the choice lasts as long as the page.
    try {
      const kept = localStorage.getItem("multivm-theme");
      if (kept) document.documentElement.dataset.theme = kept;
    } catch (error) { /* no storage */ }
    byId("theme").addEventListener("click", () => {
      const chosen = theme.isDark() ? "light" : "dark";
      document.documentElement.dataset.theme = chosen;
      try { localStorage.setItem("multivm-theme", chosen); } catch (error) { /* no storage */ }
      theme.changed();
    });
    theme.system.addEventListener("change", theme.changed);
    byId("theme").textContent = theme.isDark() ? "Light" : "Dark";
  },

  /** A colour of the style sheet as a canvas takes it. */
  colour(name) {
    const probe = element("span", { style: `color: var(--${name})`, hidden: true });
    document.body.append(probe);
    const colour = getComputedStyle(probe).color;
    probe.remove();
    return colour;
  },
};
