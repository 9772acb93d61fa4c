'use strict'
// Dead-man: lets pass what PEMS tells a device for as long as its lease holds, and releases the device when it has ended.

const { Leases } = require('../lib/lease')
const { siteOf, listen, trouble, span } = require('./shared')

module.exports = function (RED) {
  function PemsLease (config) {
    RED.nodes.createNode(this, config)
    const node = this
    const site = siteOf(RED, node, config)
    if (site === null) return
    const leases = new Leases(Number(config.silence_s || 0))

    const badge = () => {
      const known = site.house.devices[config.device]
      const lease = known && known.lease
      const why = trouble(site)
      if (!config.device || !lease) return node.status({ fill: 'grey', shape: 'dot', text: why || 'under its own control' })
      const left = Date.parse(lease.until) - site.house.clock(site.now)
      const held = left > 0 ? `lease ends in ${span(left)}` : 'lease ended'
      node.status({ fill: why || left <= 0 ? 'yellow' : 'green', shape: why ? 'ring' : 'dot', text: why ? `${why}; ${held}` : held })
    }
    listen(node, site, {
      tick: () => {
        for (const { device, why } of leases.due(site.house, config.device || '', (name) => site.byHand.holds(name), site.now)) {
          leases.released(site.house, device)
          node.warn(`${device} is given back: ${why}`)
          node.send([null, { topic: device, payload: why, pems: { device, control: '', wire: site.house.devices[device].release.wire, releases: true } }])
        }
        badge()
      }
    })
    badge()

    node.on('input', (msg, send, done) => {
      const said = msg.pems
      if (!said || typeof said.device !== 'string') {
        done(new Error(`pems-lease: found ${JSON.stringify(said)} in msg.pems; allowed: what a pems-decision node sends`))
        return
      }
      const late = site.carrier.overdue(said)
      if (late === '') {
        send([msg, null])
        done()
        return
      }
      node.warn(`${said.device}/${said.control}: ${late}; it is not carried`)
      // PEMS waits for an answer, and knows what to do when it hears that nothing was done.
      const told = said.request ? site.tellApplied(said, site.carrier.refuse(said, late)) : Promise.resolve()
      told.then(() => done(), done)
    })
  }
  RED.nodes.registerType('pems-lease', PemsLease)
}
