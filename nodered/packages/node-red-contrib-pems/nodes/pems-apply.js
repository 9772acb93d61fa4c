'use strict'
// Carries wire messages to a device, once each, and reports to PEMS what became of them.

const { siteOf, span } = require('./shared')

module.exports = function (RED) {
  function PemsApply (config) {
    RED.nodes.createNode(this, config)
    const node = this
    const site = siteOf(RED, node, config)
    if (site === null) return
    const words = { carried: 'carried', core: 'carried by PEMS', refused: 'refused', failed: 'failed' }

    node.on('input', async (msg, send, done) => {
      const said = msg.pems
      if (!said || typeof said.device !== 'string' || !Array.isArray(said.wire)) {
        done(new Error(`pems-apply: found ${JSON.stringify(said)} in msg.pems; allowed: device, control and wire, as a pems-decision node sends`))
        return
      }
      const began = Date.now()
      try {
        const became = await site.carrier.carry(said)
        if (became === null) return done()
        if (said.request) await site.tellApplied(said, became)
        const good = ['carried', 'core'].includes(became.result)
        node.status({ fill: good ? 'green' : 'red', shape: good ? 'dot' : 'ring', text: `${said.control || said.device} ${words[became.result]}${became.detail ? ': ' + became.detail.slice(0, 40) : `, ${span(Date.now() - began)}`}` })
        send({ ...msg, topic: said.device, payload: became })
        done(good ? undefined : new Error(`${said.device}/${said.control}: ${became.detail}`))
      } catch (error) {
        done(error)
      }
    })
  }
  RED.nodes.registerType('pems-apply', PemsApply)
}
