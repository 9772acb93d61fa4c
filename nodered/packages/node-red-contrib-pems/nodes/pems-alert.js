'use strict'
// What is wrong: alerts of PEMS when they begin and end, and messages that were refused.

const { siteOf, listen, trouble } = require('./shared')

const RANK = { info: 0, warning: 1, critical: 2 }

module.exports = function (RED) {
  function PemsAlert (config) {
    RED.nodes.createNode(this, config)
    const node = this
    const site = siteOf(RED, node, config)
    if (site === null) return
    const least = RANK[config.severity] || 0

    const badge = () => {
      const why = trouble(site)
      const count = site.house.alerts.filter(({ severity }) => RANK[severity] >= least).length
      if (why) node.status({ fill: 'yellow', shape: 'ring', text: why })
      else node.status({ fill: count ? 'red' : 'green', shape: 'dot', text: count ? `${count} alerts` : 'all is well' })
    }
    listen(node, site, {
      said: (topic, said) => {
        if (said === null) return
        if (topic === 'alert' && RANK[said.severity] >= least) node.send([{ topic: said.place, payload: said }, null])
        if (topic === 'error') node.send([null, { topic: said.topic, payload: said }])
      },
      refused: (topic, fault) => node.send([null, { topic, payload: { topic, faults: [fault], by: 'Node-RED' } }]),
      change: badge,
      tick: badge
    })
    badge()
  }
  RED.nodes.registerType('pems-alert', PemsAlert)
}
