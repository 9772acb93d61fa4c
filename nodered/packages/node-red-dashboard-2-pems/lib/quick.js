'use strict'
// Makes the pages quick: Dashboard's own code is 5 MB, which is packed once and kept by browsers, and its empty first page
// gets something to look at until that code runs.

const fs = require('node:fs')
const path = require('node:path')
const zlib = require('node:zlib')

const DIST = path.join(path.dirname(require.resolve('@flowfuse/node-red-dashboard/package.json')), 'dist')
const TYPES = { '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8' }
/** Names of these files change with what is in them. */
const FOR_EVER = 'public, max-age=31536000, immutable'
const LEVEL = 6

/** What is seen before any code has run; Dashboard puts the page in its place. Colours are those of the pages. */
const FIRST = `<style>
      :root { color-scheme: light dark }
      html, body { margin: 0; background: #f4f2ec }
      .pems-first { min-height: 100vh; display: grid; place-content: center; justify-items: center; gap: 12px; font: 600 20px system-ui, sans-serif; color: #1b2325 }
      .pems-first i { width: 44px; height: 4px; border-radius: 2px; background: #0d5c51; animation: pems-first 1s ease-in-out infinite alternate }
      @keyframes pems-first { from { opacity: 0.25 } }
      @media (prefers-color-scheme: dark) { html, body { background: #0e1315 } .pems-first { color: #edf1ef } .pems-first i { background: #8fd6c6 } }
      @media (prefers-reduced-motion: reduce) { .pems-first i { animation: none } }
    </style>`
const WORDS = '<div class="pems-first" role="status"><span>PEMS</span><i></i></div>'

/**
 * In place of Dashboard's own service worker, which fetches 12 MB for the time without a connection, on which these pages
 * could say nothing. It takes away what that one has kept.
 */
const WORKER = `self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', (event) => event.waitUntil(caches.keys().then((names) => Promise.all(names.map((name) => caches.delete(name))))))
`

const packed = new Map()

/** A file of Dashboard, packed; once for each, in the background of whoever asks first. */
function pack (name) {
  if (!packed.has(name)) {
    packed.set(name, fs.promises.readFile(path.join(DIST, 'assets', name))
      .then((found) => new Promise((resolve, reject) => zlib.gzip(found, { level: LEVEL }, (error, done) => error ? reject(error) : resolve(done)))))
  }
  return packed.get(name)
}

/** Dashboard's first page with something on it. */
function firstPage () {
  return fs.readFileSync(path.join(DIST, 'index.html'), 'utf8')
    .replaceAll('FlowFuse Dashboard', 'PEMS')
    .replace('<script type="module"', `${FIRST}\n    <script type="module"`)
    .replace('<div id="app"></div>', `<div id="app">${WORDS}</div>`)
}

/** For Dashboard's `middleware`, behind the login. */
function quick () {
  const page = firstPage()
  return (request, response, next) => {
    const [where] = request.originalUrl.split('?')
    const asset = /^\/dashboard\/assets\/([\w.-]+\.(?:js|css))$/.exec(where)
    if (asset) {
      response.set('Cache-Control', FOR_EVER)
      if (!/\bgzip\b/.test(request.headers['accept-encoding'] || '')) return next()
      return pack(asset[1]).then((found) => {
        response.set({ 'Content-Encoding': 'gzip', 'Content-Type': TYPES[path.extname(asset[1])], Vary: 'Accept-Encoding' }).send(found)
      }, () => next())
    }
    if (where === '/dashboard/sw.js') return response.set('Cache-Control', 'no-cache').type('text/javascript').send(WORKER)
    const navigates = request.method === 'GET' && /\btext\/html\b/.test(request.headers.accept || '')
    if (!navigates || !/^\/dashboard(\/[a-z]*)?$/.test(where)) return next()
    // Its files are named from where it is: without the slash they would be looked for one folder up, and never found.
    if (where === '/dashboard') return response.redirect(`dashboard/${request.originalUrl.slice(where.length)}`)
    response.set('Cache-Control', 'no-cache').type('html').send(page)
  }
}

module.exports = { quick, firstPage }
