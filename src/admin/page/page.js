'use strict';
// Has the page made anew by the server when there is news, and now and then in any case, for a failing feed tells nothing. What has come is
// put in place of what was there; nothing is made of it here, so nothing that a feed wrote is ever more than what the server says it is.
(() => {
  const SOONEST = 2000, LATEST = 15000;
  const light = document.getElementById('live');
  let stream = null, timer = 0, made = Date.now(), wanted = false, busy = false;

  const say = (words, on) => {
    if (light.textContent !== words) light.textContent = words;
    light.classList.toggle('on', on);
  };

  // Somebody who reads with a keyboard or marks a text is not interrupted in that part.
  const isUsed = part => {
    const selection = getSelection();
    return part.contains(document.activeElement) || (selection && !selection.isCollapsed && part.contains(selection.anchorNode));
  };

  const put = fresh => {
    const known = new Set(Array.from(document.querySelectorAll('[data-id]'), line => line.dataset.id));
    for (const part of document.querySelectorAll('[data-part]')) {
      const next = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
      if (!next || isUsed(part) || part.innerHTML === next.innerHTML) continue;
      if (known.size) for (const line of next.querySelectorAll('[data-id]')) line.classList.toggle('fresh', !known.has(line.dataset.id));
      part.replaceChildren(...document.adoptNode(next).childNodes);
    }
  };

  const refresh = async () => {
    clearTimeout(timer);
    if (busy || document.hidden) return;
    busy = true;
    wanted = false;
    made = Date.now();
    try {
      const answer = await fetch(location.pathname + location.search, { cache: 'no-store' });
      if (!(answer.headers.get('content-type') || '').startsWith('text/html')) throw new Error(answer.statusText);
      put(new DOMParser().parseFromString(await answer.text(), 'text/html'));
      const streams = stream && stream.readyState === EventSource.OPEN;
      say(streams ? 'Live' : 'Renewed every 15 seconds', Boolean(streams));
    } catch {
      say('No answer; trying again', false);
    }
    busy = false;
    plan(wanted ? SOONEST : LATEST);
  };

  const plan = wait => {
    clearTimeout(timer);
    timer = setTimeout(refresh, Math.max(0, made + wait - Date.now()));
  };

  const news = () => {
    wanted = true;
    if (!busy) plan(SOONEST);
  };

  // A hidden page takes nobody's place on the stream.
  const follow = () => {
    if (document.hidden) {
      clearTimeout(timer);
      if (stream) stream.close();
      stream = null;
      return;
    }
    if (!stream) {
      stream = new EventSource('/v1/stream');
      stream.onopen = () => { say('Live', true); plan(LATEST); };
      stream.onerror = () => say('Renewed every 15 seconds', false);
      const kinds = ['entry.created', 'entry.updated', 'feed.flood', 'feed.failing', 'feed.recovered', 'feed.gone', 'feed.gap', 'feed.moved',
        'feed.stale', 'sink.disabled', 'sink.recovered', 'feedwire.gap'];
      for (const kind of kinds) stream.addEventListener(kind, news);
    }
    plan(LATEST);
  };

  document.addEventListener('visibilitychange', () => { follow(); if (!document.hidden) refresh(); });
  follow();
})();
