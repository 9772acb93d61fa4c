'use strict'
// Emergency stop: every device is given back, and nothing is commanded until a person resets it.

const { siteOf, listen, trouble, guarded } = require('./shared')

module.exports = function (RED) {
  function PemsStop (config) {
    RED.nodes.createNode(this, config)
    const node = this
    const site = siteOf(RED, node, config)
    if (site === null) return

    const badge = () => {
      const why = trouble(site)
      const stopped = site.house.emergency && site.house.emergency.stopped
      if (stopped) node.status({ fill: 'red', shape: 'dot', text: `stopped by ${site.house.emergency.by}` })
      else node.status(why ? { fill: 'yellow', shape: 'ring', text: why } : { fill: 'green', shape: 'dot', text: 'not stopped' })
    }
    listen(node, site, {
      said: (topic, said) => { if (topic === 'emergency' && said !== null) node.send({ topic: 'emergency', payload: said }) },
      change: badge
    })
    badge()

    node.on('input', (msg, send, done) => guarded(node, send, done, async () => {
      const said = typeof msg.payload === 'object' && msg.payload !== null ? msg.payload : {}
      const action = said.action || config.action || 'stop'
      await site.ask('emergency/set', { action, by: said.by || config.by || 'Node-RED', reason: said.reason || config.reason || '' })
    }))
  }
  RED.nodes.registerType('pems-stop', PemsStop)
}
