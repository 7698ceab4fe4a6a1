// The script stands in the page's head, so that the chosen theme holds before anything is drawn.
const themed = document.documentElement;
const stored = {
  // A browser may refuse storage to a page that was opened from a file.
  get(name) { try { return localStorage.getItem(name); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(name, value); } catch { /* then it lasts as long as the page */ } },
};
if (stored.get("theme")) themed.dataset.theme = stored.get("theme");

// Everything else waits until the page is read; each part has a scope of its own.
const ready = (work) => document.addEventListener("DOMContentLoaded", work);
