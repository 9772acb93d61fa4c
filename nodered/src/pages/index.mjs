// The pages of the dashboard: their configuration, and one node for each. What they show and how stands in
// packages/node-red-dashboard-2-pems.

import { idOf, pems, tab } from '../flow.mjs'

const BASE = idOf('ui base')
const THEME = idOf('ui theme')
const PAGES = [
  { name: 'Now', view: 'now', icon: 'home-lightning-bolt-outline' },
  { name: 'Plan', view: 'plan', icon: 'chart-timeline-variant' },
  { name: 'Rooms', view: 'rooms', icon: 'home-thermometer-outline' },
  { name: 'Battery and inverter', view: 'battery', icon: 'battery-charging-medium' },
  { name: 'Overrides', view: 'overrides', icon: 'hand-back-right-outline' },
  { name: 'Health', view: 'health', icon: 'heart-pulse' },
  { name: 'Stop', view: 'stop', icon: 'stop-circle-outline' }
]

const configuration = [
  { id: BASE, type: 'ui-base', name: 'PEMS', path: '/dashboard', appIcon: '', includeClientData: true, acceptsClientConfig: ['ui-notification', 'ui-control'], showPathInSidebar: false, headerContent: 'page', navigationStyle: 'none', titleBarStyle: 'hidden' },
  { id: THEME, type: 'ui-theme', name: 'PEMS', colors: { surface: '#ffffff', primary: '#0d5c51', bgPage: '#f4f2ec', groupBg: '#ffffff', groupOutline: '#e2ddd0' }, sizes: { density: 'default', pagePadding: '0px', groupGap: '0px', groupBorderRadius: '0px', widgetGap: '0px' } },
  ...PAGES.flatMap(({ name, view, icon }, order) => [
    { id: idOf('page', name), type: 'ui-page', name, ui: BASE, path: `/${view}`, icon, layout: 'grid', theme: THEME, breakpoints: [{ name: 'Default', px: '0', cols: '12' }], order: order + 1, className: '', visible: true, disabled: false },
    { id: idOf('page group', name), type: 'ui-group', name, page: idOf('page', name), width: '12', height: '1', order: 1, showTitle: false, className: '', visible: true, disabled: false, groupType: 'default' }
  ])
]

const page = ({ name, view }, row) => ({
  type: 'ui-pems-page', name, at: [1, row], group: idOf('page group', name), view, language: 'auto', order: 1, width: 12, height: 1, to: [['the house']]
})

export default [
  ...configuration,
  ...tab('Pages', 'What the dashboard shows: one node for each page.', [
    {
      name: 'Pages',
      note: 'The house goes to one page: all of them share what it hears',
      nodes: [
        pems('house', 'the house', [0, 0], { pages: true }, [[PAGES[0].name], [PAGES[0].name]]),
        ...PAGES.map(page)
      ]
    }
  ])
]
