"use strict";
(() => {
  const main = document.querySelector("main");
  const lost = document.getElementById("lost");
  const away = document.getElementById("away");
  const kept = "sluice-link";
  let token = "";

  // The token leaves the address bar at once. This tab remembers it for a reload, and for the way back from sign-in.
  function take() {
    const given = /^#([A-Za-z0-9_-]+)$/.exec(location.hash);
    if (location.hash) history.replaceState(null, "", location.pathname);
    try {
      if (given) sessionStorage.setItem(kept, given[1]);
      token = given ? given[1] : sessionStorage.getItem(kept) || "";
    } catch {
      token = given ? given[1] : "";
    }
  }

  function tell(paragraph) {
    paragraph.hidden = false;
    main.replaceChildren(main.querySelector("h1"), paragraph);
  }

  function post(path) {
    return fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
      cache: "no-store",
    });
  }

  async function show(answer) {
    if (!(answer.headers.get("Content-Type") || "").startsWith("text/html")) return tell(away);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = page.title;
    document.documentElement.lang = page.documentElement.lang;
    main.replaceChildren(...page.querySelector("main").childNodes);
    const button = main.querySelector("button");
    if (button) button.addEventListener("click", () => get(button));
    const next = main.querySelector("button, a");
    if (next) next.focus();
  }

  async function get(button) {
    button.disabled = true;
    try {
      const answer = await post("link/file");
      if (!answer.ok) return await show(answer);
      location.assign((await answer.json()).url);
      button.disabled = false;
    } catch {
      tell(away);
    }
  }

  async function open() {
    take();
    if (!token) return tell(lost);
    try {
      await show(await post("link"));
    } catch {
      tell(away);
    }
  }

  addEventListener("hashchange", open);
  open();
})();
