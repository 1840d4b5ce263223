"""How the page looks: the style sheet and the scripts of its buttons, for light and dark."""

CSS = """
html, body { background: var(--body-background-fill); }
.gradio-container { max-width: 1120px !important; margin: 0 auto !important; }
.gradio-container .main { padding: 8px 16px 24px; }
.gradio-container main { padding: 0; }
.gradio-container .html-container { padding: 0; }
.up-head { padding: 20px 0 8px; }
.up-head h1 {
  margin: 0; font-size: 30px; font-weight: 700; line-height: 1.1; letter-spacing: -0.02em;
}
.up-head h1::after {
  content: ""; display: inline-block; width: 0.5em; height: 0.95em; margin-left: 0.16em;
  vertical-align: -0.12em; background: var(--color-accent); border-radius: 2px;
}
.up-lead { font-size: 17px; line-height: 1.4; margin: 8px 0 0; color: var(--body-text-color); }
.up-loaded { font-size: 13px; margin: 4px 0 0; color: var(--body-text-color-subdued); }
.up-loaded b { font-weight: 600; color: inherit; }
#up-body { gap: 32px; align-items: flex-start; }
#up-picture { border-radius: 10px; }
.up-examples > div { display: grid; grid-template-columns: repeat(6, 1fr); gap: 8px; }
.up-examples button {
  padding: 0; border: 0; border-radius: 8px; overflow: hidden; aspect-ratio: 1; cursor: pointer;
}
.up-examples button:hover, .up-examples button:focus-visible {
  outline: 2px solid var(--color-accent); outline-offset: 2px;
}
.up-examples img { display: block; width: 100%; height: 100%; margin: 0; object-fit: cover; }
.up-answer h2, .up-evidence h2, .up-examples h2 {
  font-size: 13px; font-weight: 600; color: var(--body-text-color-subdued); margin: 0 0 8px;
}
.up-empty {
  display: flex; align-items: center; justify-content: center;
  min-height: 340px; border-radius: 10px;
  color: var(--body-text-color-subdued); border: 1px dashed var(--border-color-primary);
}
.up-fault {
  padding: 14px 18px; border-radius: 10px; overflow-wrap: anywhere;
  border-left: 4px solid var(--error-border-color); background: var(--background-fill-secondary);
}
.up-prompt {
  display: flex; gap: 16px; align-items: flex-start; justify-content: space-between;
  padding: 18px 20px; margin-bottom: 24px; border-radius: 10px;
  background: var(--background-fill-secondary);
}
.up-prompt .up-text {
  margin: 0; font-size: 22px; line-height: 1.35; font-weight: 500; overflow-wrap: anywhere;
}
.up-copy {
  flex: none; padding: 3px 10px; font-size: 13px; font-weight: 500; line-height: 1.5;
  white-space: nowrap; border-radius: 6px; cursor: pointer; color: var(--body-text-color);
  border: 1px solid var(--border-color-primary); background: var(--background-fill-primary);
}
.up-copy:hover { border-color: var(--color-accent); }
.up-copy:focus-visible { outline: 2px solid var(--color-accent); outline-offset: 1px; }
.up-copy.up-done { color: var(--color-accent); border-color: var(--color-accent); }
.up-phrase { border-bottom: 2px solid transparent; }
.up-phrase.up-neighbor { border-bottom-color: var(--color-accent); }
.up-phrase.up-corpus { border-bottom: 2px dotted var(--color-accent); }
.up-written { border-left: 4px solid var(--color-accent); }
.up-trust {
  display: grid; grid-template-columns: 1fr auto; gap: 4px 12px; margin: -12px 0 18px;
  font-size: 14px; font-variant-numeric: tabular-nums;
}
.up-trust i, .up-trust u { display: block; height: 6px; border-radius: 3px; text-decoration: none; }
.up-trust i { grid-column: 1 / -1; background: var(--border-color-primary); }
.up-trust u { background: var(--color-accent); }
.up-outside {
  display: block; padding: 10px 14px; border-radius: 8px; margin-top: -12px;
  border-left: 4px solid #d97706; background: var(--background-fill-secondary);
}
.up-parts { margin: 0 0 24px; }
.up-share { display: flex; gap: 2px; font-size: 12px; line-height: 22px; color: #fff; }
.up-share span {
  flex: 1 1 0; min-width: 0; padding: 0 8px; overflow: hidden; white-space: nowrap;
  text-overflow: ellipsis; background: #0f766e; border-radius: 4px 0 0 4px;
}
.up-share span { color: #fff !important; }
.up-share span + span { background: #475569; border-radius: 0 4px 4px 0; text-align: right; }
.up-weights { display: flex; gap: 2px; align-items: flex-end; height: 36px; margin-top: 6px; }
.up-weights u { flex: 1; max-width: 28px; background: #0f766e; border-radius: 2px 2px 0 0; }
.up-weights .up-against { background: #b45309; }
.up-facts { width: 100%; font-size: 14px; border-collapse: collapse; margin-bottom: 16px; }
.up-facts th { text-align: left; font-weight: 500; padding: 6px 16px 6px 0; white-space: nowrap; }
.up-facts td { padding: 6px 0; overflow-wrap: anywhere; }
.up-facts tr { border-top: 1px solid var(--border-color-primary); }
.up-truth { margin: -12px 0 24px; font-size: 13px; color: var(--body-text-color-subdued); }
.up-candidates { list-style: none; margin: 0; padding: 0; font-size: 15px; }
.up-candidates li {
  display: flex; gap: 12px; align-items: flex-start; margin: 0; padding: 9px 0;
  border-top: 1px solid var(--border-color-primary);
}
.up-candidates li > div { flex: 1; min-width: 0; line-height: 1.4; overflow-wrap: anywhere; }
.up-candidates .up-text { display: block; }
.up-candidates small, .up-tiles small {
  font-size: 12px; color: var(--body-text-color-subdued); font-variant-numeric: tabular-nums;
}
.up-place { flex: none; width: 1.1em; line-height: 1.4; color: var(--body-text-color-subdued); }
.up-note { font-size: 12px; margin: 10px 0 0; color: var(--body-text-color-subdued); }
.up-evidence { padding-top: 20px; }
.up-tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 24px 20px; }
.up-tiles figure { margin: 0; min-width: 0; }
.up-tiles img, .up-blank {
  display: flex; width: 100%; aspect-ratio: 1; object-fit: cover; margin: 0; border-radius: 8px;
}
.up-blank {
  align-items: center; justify-content: center; font-size: 12px;
  color: var(--body-text-color-subdued); background: var(--background-fill-secondary);
}
.up-tiles figcaption {
  padding-top: 6px; font-size: 13px; line-height: 1.35; overflow-wrap: anywhere;
}
.up-tiles figcaption span { display: block; }
.up-foot {
  margin-top: 28px; padding-top: 14px; border-top: 1px solid var(--border-color-primary);
  font-size: 12px; color: var(--body-text-color-subdued);
}
.up-foot p { margin: 0 0 4px; max-width: 75ch; font-size: 12px; color: inherit; }
@media (max-width: 640px) {
  .up-empty { min-height: 88px; }
  .up-head { padding-top: 12px; }
  .up-prompt { padding: 14px; gap: 12px; }
  .up-prompt .up-text { font-size: 19px; }
  .up-tiles { grid-template-columns: repeat(2, 1fr); gap: 16px 12px; }
  #up-body { gap: 20px; }
}
"""

# Where the browser refuses the clipboard, the text is selected instead.
COPY_SCRIPT = """
element.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  let said = "Copied";
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    const text = button.closest("[data-copied]").querySelector(".up-text");
    window.getSelection().selectAllChildren(text);
    said = "Press Ctrl+C";
  }
  button.textContent = said;
  button.classList.add("up-done");
  setTimeout(() => { button.textContent = "Copy"; button.classList.remove("up-done"); }, 1500);
});
"""

EXAMPLE_SCRIPT = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-example]");
  if (button) trigger("click", { place: Number(button.dataset.example) });
});
"""

# Gradio pastes at its own button only.
PASTE_SCRIPT = """
document.addEventListener("paste", (event) => {
  const input = document.querySelector("#up-picture input[type=file]");
  if (!input || !event.clipboardData?.files.length) return;
  input.files = event.clipboardData.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
});
"""
