// Opens a server's overview in a headless Chromium and stays until standard input ends; then says how often it looked.
//
//     node console.mjs BASE

import { chromium } from "playwright-core";

const [base] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--disable-gpu"] });
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
let looks = 0;
const trouble = [];
page.on("pageerror", (error) => trouble.push(error.message));
page.on("response", (response) => {
  if (response.url() !== `${base}/v1/figures`) return;
  if (response.ok()) looks += 1;
  else trouble.push(`${response.status()} ${response.url()}`);
});
await page.goto(`${base}/#/`);
// The second look is the first that moves a chart.
while (looks < 2) await page.waitForTimeout(100);
looks = 0;
console.log("open");
process.stdin.resume();
await new Promise((resolve) => process.stdin.on("end", resolve));
const shown = await page.locator("dl.tiles dd").first().textContent();
console.log(JSON.stringify({ looks, shown, trouble }));
await browser.close();
