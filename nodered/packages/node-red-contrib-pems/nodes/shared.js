'use strict'
// What the nodes share: finding their site, and badges that a person can read.

/** The site of a node; a node without one says so and does nothing. */
function siteOf (RED, node, config) {
  const found = RED.nodes.getNode(config.site)
  if (!found || !found.site) {
    node.status({ fill: 'red', shape: 'ring', text: 'no site' })
    return null
  }
  return found.site
}

/** Listen for as long as the node lives. */
function listen (node, site, handlers) {
  for (const [event, handler] of Object.entries(handlers)) site.on(event, handler)
  node.on('close', () => {
    for (const [event, handler] of Object.entries(handlers)) site.removeListener(event, handler)
  })
}

/** Why nothing can be shown now; empty if PEMS is there. */
function trouble (site) {
  if (!site.house.connected) return 'no broker'
  return { running: '', unknown: 'nothing heard yet', silent: 'PEMS is silent', offline: 'PEMS is offline' }[site.house.core(site.now)]
}

/** How long ago, or until, in a few letters. */
function span (ms) {
  const s = Math.max(0, Math.round(Math.abs(ms) / 1000))
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.round(s / 60)} min`
  return `${(s / 3600).toFixed(s < 36000 ? 1 : 0)} h`
}

/** A value with its unit. */
function worded (value, unit = '') {
  if (typeof value === 'boolean') return value ? 'on' : 'off'
  if (typeof value !== 'number') return String(value)
  if (unit === 'share') return `${Math.round(value * 100)} %`
  return `${Number(value.toFixed(2))}${unit ? ' ' + unit : ''}`
}

/** Run what may fail because of what a message says, and tell the node's Catch nodes. */
async function guarded (node, send, done, work) {
  try {
    await work()
    done()
  } catch (error) {
    node.status({ fill: 'red', shape: 'ring', text: error.message.slice(0, 60) })
    done(error)
  }
}

module.exports = { siteOf, listen, trouble, span, worded, guarded }
