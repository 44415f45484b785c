// Light and dark, kept for all pages of this origin.

/** Light or dark: what the system says, until somebody says otherwise here. */
function offerThemes(button) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const tell = () => button.setAttribute("aria-pressed", String(isDark()));
  const kept = keptTheme();
  if (kept) root.dataset.theme = kept;
  button.addEventListener("click", () => {
    const chosen = isDark() ? "light" : "dark";
    root.dataset.theme = chosen;
    try {
      localStorage.setItem("vitrine.theme", chosen);
    } catch {
      // It lasts as long as the page.
    }
    tell();
  });
  system.addEventListener("change", tell);
  tell();
}

function keptTheme() {
  try {
    const kept = localStorage.getItem("vitrine.theme");
    return kept === "light" || kept === "dark" ? kept : null;
  } catch {
    return null;
  }
}

offerThemes(document.getElementById("theme"));
