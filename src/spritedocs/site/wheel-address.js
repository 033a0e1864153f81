// pip needs a whole address, and only the browser knows where the site is.
for (const link of document.querySelectorAll("a.sprite-wheel")) link.textContent = link.href
