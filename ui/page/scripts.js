// Functions for the components of the page. Python appends one call per component, run as its
// `js_on_load`, where Gradio provides `element` and `trigger`.

/** Copies the text of a clicked [data-copy] button. */
function listenForCopy(element) {
  element.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    let feedback = "Copied";
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      // The browser refuses access to the clipboard: select the text for the user.
      const text = button.closest("[data-copied]").querySelector(".up-text");
      window.getSelection().selectAllChildren(text);
      feedback = "Press Ctrl+C";
    }
    button.textContent = feedback;
    button.classList.add("up-done");
    setTimeout(() => { button.textContent = "Copy"; button.classList.remove("up-done"); }, 1500);
  });
}

/** Reports the number of a clicked example to Python. */
function listenForExamples(element, trigger) {
  element.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-example]");
    if (button) trigger("click", { number: Number(button.dataset.example) });
  });
}

/** Uploads a picture that is pasted anywhere. Gradio itself pastes only at its own button. */
function listenForPaste() {
  document.addEventListener("paste", (event) => {
    const input = document.querySelector("#up-picture input[type=file]");
    if (!input || !event.clipboardData?.files.length) return;
    input.files = event.clipboardData.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

/** Hides an answer while another picture than its own is on the page: a late one, or the last. */
function hideBesideOthers(element) {
  const check = () => {
    const picture = document.querySelector("#up-picture img");
    for (const answer of element.querySelectorAll("[data-picture]")) {
      const own = picture && decodeURIComponent(picture.src).endsWith(answer.dataset.picture);
      if (answer.hidden === Boolean(own)) answer.hidden = !own;
    }
  };
  const changes = { childList: true, subtree: true, attributes: true, attributeFilter: ["src"] };
  new MutationObserver(check).observe(document.body, changes);
}
