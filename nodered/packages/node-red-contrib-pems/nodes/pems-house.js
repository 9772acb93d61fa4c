'use strict'
// Everything that is known of a house as one object, for pages; and what pages ask.

const { siteOf, listen, trouble } = require('./shared')

const AT_MOST_EVERY_MS = 100
/** What belongs together comes together: so long is waited for the rest of it. */
const TOGETHER_MS = 20

module.exports = function (RED) {
  function PemsHouse (config) {
    RED.nodes.createNode(this, config)
    const node = this
    const site = siteOf(RED, node, config)
    if (site === null) return
    let waiting = null
    let toldAt = 0

    const tell = () => {
      waiting = null
      toldAt = Date.now()
      const why = trouble(site)
      node.status(why ? { fill: 'yellow', shape: 'ring', text: why } : { fill: 'green', shape: 'dot', text: site.house.status ? site.house.status.state : 'running' })
      node.send({ topic: 'house', payload: { ...site.house.snapshot(site.now), by_hand: site.byHand.all, may_ask: mayAsk() } })
    }
    const soon = () => {
      const restMs = Math.min(AT_MOST_EVERY_MS, toldAt + AT_MOST_EVERY_MS - Date.now())
      waiting = waiting || setTimeout(tell, Math.max(TOGETHER_MS, restMs))
    }
    let ticks = 0
    listen(node, site, { change: soon, tick: () => { if (++ticks % 10 === 0) soon() } })
    node.on('close', () => clearTimeout(waiting))

    // Pages may be open to all who see them; then they may only look.
    const mayAsk = () => !(config.pages && process.env.PEMS_DASHBOARD_READ_ONLY === 'true')

    node.on('input', async (msg, send, done) => {
      const { topic, payload } = msg
      if (topic === undefined || topic === 'house') {
        tell()
        done()
        return
      }
      try {
        if (!mayAsk()) throw new Error(`${topic}: found a request while pages may only look; allowed: with a login (docs/node-red.md)`)
        const asked = await site.ask(topic, payload)
        send([null, { ...msg, payload: { ok: true, topic, asked } }])
        done()
      } catch (error) {
        site.house.refuse(topic, error.message, site.now)
        soon()
        send([null, { ...msg, payload: { ok: false, topic, fault: error.message } }])
        done(error)
      }
    })
  }
  RED.nodes.registerType('pems-house', PemsHouse)
}
