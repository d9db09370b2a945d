// A file dragged over a part of a page and let go there, by the browser's own events: whether the part showed that it takes it.
export async function drop(page, selector, file) {
  await page.locator(selector).scrollIntoViewIfNeeded();
  const box = await page.locator(selector).boundingBox();
  const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const client = await page.context().newCDPSession(page);
  const send = (type) => client.send("Input.dispatchDragEvent", { type, ...at, data: { items: [], files: [file], dragOperationsMask: 1 } });
  await send("dragEnter");
  await send("dragOver");
  const shown = await page.locator(selector).evaluate((part) => part.classList.contains("over"));
  await send("drop");
  const left = await page.locator(selector).evaluate((part) => part.classList.contains("over"));
  return [shown, left];
}
