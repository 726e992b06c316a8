"""Checks of HTML pages in a headless browser."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)

# Runs in a page that holds the examined one in a frame of a given width.
_EXAMINE = """
function luminance(color) {
  const [r, g, b] = color.map(value => {
    value /= 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function rgba(text) {
  const parts = text.match(/[\\d.]+/g).map(Number);
  return parts.length < 4 ? [...parts, 1] : parts;
}
function background(element) {
  for (let each = element; each; each = each.parentElement) {
    const color = rgba(getComputedStyle(each).backgroundColor);
    if (color[3] > 0) return color.slice(0, 3);
  }
  return [255, 255, 255];
}
function examine() {
  const frame = document.querySelector("iframe").contentDocument;
  const view = frame.defaultView;
  const found = {
    width: view.innerWidth,
    overflow: frame.documentElement.scrollWidth - view.innerWidth,
    dark: view.matchMedia("(prefers-color-scheme: dark)").matches,
    outside: [], texts: 0, faint: [], noAlt: 0,
  };
  for (const element of frame.querySelectorAll("body *")) {
    const box = element.getBoundingClientRect();
    const scrolls = element.closest(".scroll") && !element.matches(".scroll");
    if (!scrolls && box.right > view.innerWidth + 1)
      found.outside.push(element.outerHTML.slice(0, 80));
    if (element.matches("img:not([alt]), svg[role=img]:not([aria-label])")) found.noAlt += 1;
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || element.matches("style, title, desc, script")) continue;
    found.texts += 1;
    const style = getComputedStyle(element);
    const color = rgba(element.namespaceURI.includes("svg") ? style.fill : style.color);
    const [one, two] = [luminance(color.slice(0, 3)), luminance(background(element))];
    const contrast = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (contrast < 4.5 || color[3] < 1)
      found.faint.push(`${contrast.toFixed(2)}: ${element.textContent.trim().slice(0, 40)}`);
  }
  document.querySelector("pre").textContent = JSON.stringify(found);
}
window.addEventListener("load", examine);
"""


def examine_page(page: str, directory: Path, *, width: int, dark: bool) -> dict:
    """Returns what a browser finds in a page: errors, overflow, contrast, texts of images.

    Args:
        page: the HTML.
        directory: for the files of the browser.
        width: width of the page in pixels.
        dark: whether the user prefers dark colours.
    """
    outer = directory / "outer.html"
    scheme = "dark" if dark else "light"
    outer.write_text(
        f'<!DOCTYPE html><html style="color-scheme: {scheme}"><body>'
        f'<iframe srcdoc="{html.escape(page)}" '
        f'style="width: {width}px; height: 800px; border: 0; color-scheme: {scheme}"></iframe>'
        f"<pre></pre><script>{_EXAMINE}</script></body></html>",
        encoding="utf-8",
    )
    done = _run(directory, dark, "--dump-dom", "--virtual-time-budget=5000", outer.as_uri())
    found = json.loads(html.unescape(re.search(r"<pre>(.*?)</pre>", done.stdout, re.DOTALL)[1]))
    found["console"] = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return found


def _run(directory: Path, dark: bool, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert BROWSER is not None
    return subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            *("--hide-scrollbars", f"--user-data-dir={directory / 'profile'}"),
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
