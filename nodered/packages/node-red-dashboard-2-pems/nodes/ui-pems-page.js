'use strict'

const { Hub } = require('../lib/hub.js')

const PACKAGE = 'node-red-dashboard-2-pems'

/** One hub for each dashboard: whichever page is wired, all of them show the same house. */
const hubs = new Map()

module.exports = function (RED) {
  function PemsPage (config) {
    RED.nodes.createNode(this, config)
    const group = RED.nodes.getNode(config.group)
    if (!group) {
      this.status({ fill: 'red', shape: 'ring', text: 'choose a group' })
      return
    }
    const base = group.getBase()
    if (!hubs.has(base.id)) hubs.set(base.id, new Hub())
    const hub = hubs.get(base.id)

    group.register(this, config, {
      onAction: true,
      // Dashboard sends whatever comes in to every browser, once for each node. The hub sends what has changed, once.
      beforeSend: (msg) => {
        // A request travels as one object: Dashboard puts a topic of its own into what comes from a page.
        if (msg.pems_asked) return { ...msg.pems_asked, _client: msg._client }
        if (msg.topic === 'house') tell(hub.take(msg.payload, Date.now()))
        else if (typeof msg.payload?.ok === 'boolean') base.emit('pems:answer', msg, null)
        return {}
      },
      onInput: () => {},
      onSocket: {
        [`pems:hello:${this.id}`]: (socket) => socket.emit('pems:all', hub.all(Date.now()))
      }
    })
    // Dashboard finds the widgets of others only where package.json of the user's folder names them.
    const widget = base.ui.widgets.get(this.id)
    widget.src ??= { package: PACKAGE, name: 'ui-pems-page', src: 'pems-pages.umd.js', component: 'PemsPage' }
    this.status(hub.badge())

    const tell = (news) => {
      if (news === null) return
      base.emit('pems:changes', news, null)
      this.status(hub.badge())
    }
  }

  RED.nodes.registerType('ui-pems-page', PemsPage)
}
