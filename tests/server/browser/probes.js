// What a test asks of a page that it cannot see otherwise. One expression: an object of functions.
({
  /** Each text that is shown, with its colour and the one on which it stands. What cannot be pressed may be pale (WCAG 1.4.3). */
  texts() {
    const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const channels = (colour) => {
      probe.clearRect(0, 0, 1, 1);
      probe.fillStyle = colour;
      probe.fillRect(0, 0, 1, 1);
      return [...probe.getImageData(0, 0, 1, 1).data];
    };
    const ground = (node) => {
      for (let at = node; at; at = at.parentElement) {
        const found = channels(getComputedStyle(at).backgroundColor);
        if (found[3] === 255) return found;
      }
      return null;
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
      const node = walker.currentNode.parentElement;
      const text = walker.currentNode.textContent.trim();
      const seen = text && node.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
      if (!seen || node.closest(".unseen, script, style, option, svg, noscript, [aria-disabled=true], :disabled")) continue;
      found.push([text.slice(0, 40), channels(getComputedStyle(node).color), ground(node)]);
    }
    return found;
  },

  /** What can be pressed or filled and has no name. */
  nameless() {
    const named = (node) => node.getAttribute("aria-label") || node.getAttribute("aria-labelledby") || node.textContent.trim() || node.labels?.length;
    return [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
      .filter((node) => node.checkVisibility() && !node.closest("[aria-hidden=true], dialog:not([open])") && !named(node))
      .map((node) => node.outerHTML.slice(0, 120));
  },

  /** What can be pressed and is hard to hit (WCAG 2.5.8 wants 24 pixels, or room around). */
  small() {
    return [...document.querySelectorAll("button, select, textarea, .button, input:not([type=checkbox], [type=radio])")]
      .filter((node) => node.checkVisibility() && !node.closest(".unseen, [aria-hidden=true]"))
      .map((node) => [node.textContent || node.name, node.getBoundingClientRect()])
      .filter(([, box]) => box.width < 24 || box.height < 24)
      .map(([name, box]) => `${name}: ${box.width} x ${box.height}`);
  },

  /** The ids that are there more than once. */
  doubled() {
    const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
    return ids.filter((id, place) => ids.indexOf(id) !== place);
  },

  /** The levels of the headings, in their order. */
  levels() {
    return [...document.querySelectorAll("h1, h2, h3")].filter((node) => node.checkVisibility()).map((node) => Number(node.tagName[1]));
  },
})
