// The script stands in the page's head, so that the chosen theme holds before anything is drawn.
const themed = document.documentElement;
const stored = {
  // A browser may refuse storage to a page that was opened from a file.
  get() { try { return localStorage.getItem("theme"); } catch { return null; } },
  set(value) { try { localStorage.setItem("theme", value); } catch { /* then it lasts as long as the page */ } },
};
if (stored.get()) themed.dataset.theme = stored.get();

// Everything else waits until the page is read; each part has a scope of its own.
const ready = (work) => document.addEventListener("DOMContentLoaded", work);
