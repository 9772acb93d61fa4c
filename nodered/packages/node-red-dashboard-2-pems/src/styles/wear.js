import { palette } from './palette.js'
import css from './pems.css?inline'

/** Put the pages' style and letters into the document, once. */
export function wear (adminRoot) {
  if (document.getElementById('pems-style')) return
  const from = `${adminRoot}/resources/node-red-dashboard-2-pems`.replaceAll('//', '/')
  const face = (file, range) =>
    `@font-face{font-family:"PEMS Inter";font-weight:100 900;font-display:swap;src:url(${from}/${file}) format("woff2");unicode-range:${range}}`
  const style = document.createElement('style')
  style.id = 'pems-style'
  style.textContent = [
    face('inter-latin.woff2', 'U+0000-00FF,U+0131,U+0152-0153,U+02BB-02BC,U+02C6,U+02DA,U+02DC,U+2000-206F,U+20AC,U+2122,U+2191,U+2193,U+2212,U+2215,U+FEFF,U+FFFD'),
    face('inter-latin-ext.woff2', 'U+0100-02BA,U+02BD-02C5,U+02C7-02CC,U+1E00-1E9F,U+2020,U+20A0-20AB,U+20AD-20C0'),
    palette,
    css
  ].join('\n')
  document.head.append(style)
}
