// The HTML report in a real browser. Run by tests/browser/run, which builds what it needs and names it in the environment:
//   AFTERFIN_PAGES   the directory with the pages; many.html has 100,000 connections
//   CHROMIUM         the browser
//   SCREENSHOTS      where to leave pictures of the pages, if anywhere
import assert from "node:assert/strict";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, before, describe, test } from "node:test";
import { createRequire } from "node:module";
import { HtmlValidate } from "html-validate";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const directory = process.env.AFTERFIN_PAGES;
const pages = readdirSync(directory).filter(name => name.endsWith(".html")).sort();
const screenshots = process.env.SCREENSHOTS;
const many = "many.html";
let browser;

before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
});
after(() => browser.close());

/** Opens a page and records everything that must not happen. */
async function open(name, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const trouble = [];
  const own = pathToFileURL(join(directory, name)).href;
  page.on("console", message => { if (["error", "warning"].includes(message.type())) trouble.push(message.text()); });
  page.on("pageerror", error => trouble.push(String(error)));
  page.on("request", request => { if (request.url() !== own) trouble.push(`request: ${request.url()}`); });
  page.on("dialog", dialog => { trouble.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  const began = performance.now();
  await page.goto(own, { waitUntil: "load" });
  await page.waitForFunction(() => !document.getElementById("theme").hidden);
  const loaded = performance.now() - began;
  return { page, trouble, loaded, close: () => context.close() };
}

const hasRows = page => page.evaluate(() => JSON.parse(document.getElementById("data").textContent).s.length > 0);

for (const name of pages) {
  describe(name, () => {
    test("opens without an error or a request", async () => {
      const { page, trouble, loaded, close } = await open(name);
      const weight = statSync(join(directory, name)).size;
      console.log(`${name}: ${(weight / 1e6).toFixed(2)} MB, ready after ${loaded.toFixed(0)} ms`);
      assert.ok(await page.locator("h1").innerText());
      for (const fold of await page.locator("details").all()) await fold.evaluate(element => { element.open = true; });
      await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
      await page.waitForTimeout(100);
      assert.deepEqual(trouble, []);
      assert.ok(loaded < 5000, `ready after ${loaded} ms`);
      await close();
    });

    for (const colorScheme of ["light", "dark"]) {
      test(`is accessible in ${colorScheme} colours`, async () => {
        const { page, trouble, close } = await open(name, { colorScheme, bypassCSP: true });
        await page.evaluate(axe);
        const result = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
        const found = result.violations.map(rule => `${rule.impact} ${rule.id}: ${rule.nodes.slice(0, 3).map(node => node.html.slice(0, 160)).join(" | ")}`);
        assert.deepEqual(found.filter(rule => /^(serious|critical)/.test(rule)), []);
        if (found.length) console.log(found.join("\n"));
        if (screenshots) await page.screenshot({ path: join(screenshots, `${name}-${colorScheme}.png`), fullPage: name !== many });
        assert.deepEqual(trouble, []);
        await close();
      });
    }

    test("fits a phone", async () => {
      const { page, trouble, close } = await open(name, { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(overflow, 0, "the page scrolls sideways");
      if (screenshots) await page.screenshot({ path: join(screenshots, `${name}-phone.png`), fullPage: name !== many });
      assert.deepEqual(trouble, []);
      await close();
    });

    test("lets nothing run or load that is not its own", async () => {
      const { page, close } = await open(name);
      const outcome = await page.evaluate(async () => {
        const violated = new Set();
        document.addEventListener("securitypolicyviolation", event => violated.add(event.effectiveDirective));
        const add = (kind, fill) => document.body.append(Object.assign(document.createElement(kind), fill));
        add("script", { textContent: "window.ran = 'script'" });
        add("script", { src: "data:text/javascript,window.ran='source'" });
        add("style", { textContent: "body { outline: 7px solid red }" });
        add("img", { src: "http://127.0.0.1:9/i.png" });
        add("iframe", { src: "data:text/html,x" });
        add("object", { data: "data:text/html,x" });
        add("link", { rel: "stylesheet", href: "data:text/css,body{outline:7px solid red}" });
        document.body.insertAdjacentHTML("beforeend", "<svg onload=\"window.ran='handler'\"></svg><p onclick=\"window.ran='click'\" style=\"outline: 7px solid red\">x</p>");
        document.body.lastChild.click();
        const fetched = await fetch("data:text/plain,x").then(() => true, () => false);
        try { window.setTimeout("window.ran = 'text'", 0); } catch { /* refused as well */ }
        await new Promise(done => setTimeout(done, 200));
        return { ran: window.ran ?? null, fetched, outline: getComputedStyle(document.body).outlineWidth, inline: document.body.lastChild.style?.outline ?? "", violated: [...violated] };
      });
      assert.equal(outcome.ran, null, "nothing that was put into the page ran");
      assert.equal(outcome.fetched, false);
      assert.notEqual(outcome.outline, "7px");
      for (const directive of ["script-src-elem", "script-src-attr", "style-src-elem", "img-src", "connect-src", "frame-src", "object-src"]) {
        assert.ok(outcome.violated.includes(directive), `${directive} is refused: ${outcome.violated}`);
      }
      await close();
    });

    test("prints", async () => {
      const { page, trouble, close } = await open(name);
      const pdf = await page.pdf({ format: "A4", path: screenshots && name !== many ? join(screenshots, `${name}.pdf`) : undefined });
      assert.ok(pdf.length > 10_000);
      assert.deepEqual(trouble, []);
      await close();
    });

    test("is valid HTML", async () => {
      const validator = new HtmlValidate({
        root: true,
        // The strictest preset, which contains what the standard demands; no rule of it is switched off.
        extends: ["html-validate:recommended"],
      });
      const text = readFileSync(join(directory, name), "utf8").replace(/(<script type="application\/json" id="data">)[^<]*/, "$1{}");
      const result = await validator.validateString(text);
      const messages = result.results.flatMap(file => file.messages.map(message => `${message.line}:${message.column} ${message.ruleId}: ${message.message}`));
      assert.deepEqual(messages.slice(0, 10), []);
    });

    test("shows a timeline that zooms, and whose events the keyboard reaches", async t => {
      const { page, trouble, close } = await open(name);
      const strip = page.locator(".card svg.plot.zoom").first();
      if (!(await strip.count())) { await close(); return t.skip("no finding with a timeline"); }
      await strip.scrollIntoViewIfNeeded();
      await page.waitForFunction(() => !document.querySelector(".card .tools").hidden);
      const places = () => strip.evaluate(svg => [...svg.querySelectorAll("[data-u]")].map(event => `${event.classList.contains("hid")} ${event.getAttribute("transform")}`));
      const whole = await places();
      const tools = page.locator(".card .tools").first();
      await tools.getByRole("button", { name: "Zoom in" }).click();
      const near = await places();
      assert.notDeepEqual(near, whole, "the button zooms");
      await strip.hover();
      await page.mouse.wheel(0, -240);
      await page.waitForTimeout(50);
      assert.notDeepEqual(await places(), near, "the wheel zooms");
      await tools.getByRole("button", { name: "Show the whole connection" }).click();
      assert.deepEqual(await places(), whole);
      await tools.getByRole("button", { name: "Time to scale" }).click();
      assert.notDeepEqual(await places(), whole, "to scale is another place");
      await tools.getByRole("button", { name: "Time to scale" }).click();

      await strip.focus();
      const names = [];
      for (let step = 0; step < 4; step++) {
        await page.keyboard.press("ArrowRight");
        names.push(await page.evaluate(() => document.activeElement.getAttribute("aria-label")));
      }
      assert.ok(new Set(names).size > 1 && names.every(Boolean), `focus moves: ${names}`);
      assert.ok(await page.locator("#tip").isVisible(), "the focused event is explained");
      assert.match(await page.locator("#tip").innerText(), /frame \d|idle/);
      await page.keyboard.press("+");
      assert.notDeepEqual(await places(), whole, "the keyboard zooms");
      await page.keyboard.press("0");
      assert.deepEqual(await places(), whole);
      assert.deepEqual(trouble, []);
      await close();
    });

    test("moves the focus through the page with Tab, each time visibly", async () => {
      const { page, trouble, close } = await open(name);
      const seen = new Set();
      for (let step = 0; step < 12; step++) {
        await page.keyboard.press("Tab");
        const focused = await page.evaluate(() => {
          const element = document.activeElement;
          const style = getComputedStyle(element);
          return { name: element.outerHTML.slice(0, 90), visible: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 };
        });
        assert.ok(focused.visible, `no outline: ${focused.name}`);
        seen.add(focused.name);
      }
      assert.ok(seen.size >= 10, [...seen].join("\n"));
      assert.deepEqual(trouble, []);
      await close();
    });

    test("sorts and filters the table of connections", async t => {
      const { page, trouble, close } = await open(name);
      if (!(await hasRows(page))) { await close(); return t.skip("no connection"); }
      const status = page.locator("#status");
      const total = await page.evaluate(() => JSON.parse(document.getElementById("data").textContent).s.length);
      assert.ok((await status.innerText()).endsWith(`of ${total.toLocaleString("en-US")}`));
      const cell = number => page.locator("#rows tr").first().locator("td").nth(number);
      const first = await cell(0).innerText();
      await page.getByRole("button", { name: "Longest idle" }).click();
      await page.getByRole("button", { name: "Longest idle" }).click();
      assert.equal(await page.locator("th[aria-sort=descending]").innerText(), "Longest idle");
      await page.getByRole("button", { name: "#", exact: true }).click();
      assert.equal(await cell(0).innerText(), first);
      await page.locator("#q").fill(first);
      await page.waitForFunction(() => document.getElementById("status").textContent.endsWith("of 1"));
      await page.locator("#q").fill("no such thing");
      await page.waitForFunction(() => document.getElementById("status").textContent.startsWith("No connection"));
      await page.locator("#q").fill("");
      await page.waitForFunction(wanted => document.getElementById("status").textContent.endsWith(wanted), `of ${total.toLocaleString("en-US")}`);
      await page.locator("#only").check();
      const found = await page.evaluate(() => Object.keys(JSON.parse(document.getElementById("data").textContent).f).length);
      assert.ok((await status.innerText()).match(found ? new RegExp(`of ${found.toLocaleString("en-US")}$`) : /^No connection/));
      assert.deepEqual(trouble, []);
      await close();
    });

    test("copies the Wireshark filter and the Markdown", async t => {
      const { page, trouble, close } = await open(name, { permissions: ["clipboard-read", "clipboard-write"] });
      const buttons = page.locator(".card .copy");
      if (!(await buttons.count())) { await close(); return t.skip("no finding"); }
      await page.getByRole("button", { name: /Copy the Wireshark filter of F/ }).first().click();
      assert.match(await page.evaluate(() => navigator.clipboard.readText()), /tcp|ip/);
      await page.getByRole("button", { name: /Copy as Markdown F/ }).first().click();
      await page.waitForTimeout(50);
      assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^\*\*F\d+ /);
      assert.deepEqual(trouble, []);
      await close();
    });
  });
}

test("a hundred thousand rows sort and filter at once", async () => {
  const { page, loaded, close } = await open(many);
  const time = await page.evaluate(async () => {
    const measure = async act => {
      const began = performance.now();
      act();
      await new Promise(done => setTimeout(done, 0));
      return performance.now() - began;
    };
    const heads = document.querySelectorAll("#table th button");
    const sort = await measure(() => heads[6].click());
    const query = document.getElementById("q");
    query.value = "10.1.0.3:80 fin f1";
    query.dispatchEvent(new Event("input"));
    await new Promise(done => setTimeout(done, 130));
    const filter = await measure(() => document.getElementById("end").dispatchEvent(new Event("change")));
    return { sort, filter };
  });
  console.log(`100,000 connections: ready after ${loaded.toFixed(0)} ms, sorted in ${time.sort.toFixed(0)} ms, filtered in ${time.filter.toFixed(0)} ms`);
  assert.ok(time.sort < 1500 && time.filter < 1500, JSON.stringify(time));
  await close();
});
