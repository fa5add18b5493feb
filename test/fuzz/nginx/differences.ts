/** Where nginx and the kernel tell an entry of the corpus differently, and why that is right. */

/** A reason, and the differences that it explains, by entry. */
export const DIFFERENCES: readonly (readonly [reason: string, entries: Readonly<Record<string, readonly string[]>>])[] =
  [
    [
      'RFC 9112 2.3 and 3 allow one SP between the parts of a request line, and one digit behind HTTP/1.: nginx reads more generously; the kernel believes no line that readers may split differently',
      {
        'target-two-blanks': ['nginx alone: 200'],
        'version-blank-behind': ['nginx alone: 200'],
        'version-three-digits': ['nginx alone: 200'],
      },
    ],
    [
      'a request line of HTTP/0.9, which has neither headers nor a status: not HTTP/1, no row',
      { http09: ['nginx alone: 200'] },
    ],
    ['a method of more than 32 bytes is none that the kernel believes', { 'method-33': ['nginx alone: 200'] }],
    [
      'the kernel tells the target as it was sent, RFC 9112 3.2.2; nginx the part behind the authority',
      {
        'absolute-form': ['target: /abs?q=1 / http://b.example:81/abs?q=1'],
        'absolute-form-no-path': ['target: ?q=1 / http://b.example?q=1'],
      },
    ],
    [
      'RFC 9110 5.5: blanks around a value, tabs as well, are no part of it; nginx logs the tabs',
      { 'host-blanks': ['host: \t a.example \t / a.example'] },
    ],
    [
      'eight or more blanks around a Host are refused: no host is told',
      {
        c445e804e02b32dfc64d343d10fedf47f1fe9aea: [
          'host: a0000000\u00bd 0000000000000000\t\t\tf\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t / ',
        ],
      },
    ],
    [
      'two Host headers name no host (RFC 9112 3.2); nginx answers 400, and logs the first',
      { 'hosts-two': ['host: a / '] },
    ],
    [
      'the client closed before its request was whole: nginx logs 400, and sends nothing',
      {
        a124b870118aba2ecd9d66ecdca6ea718ecb5242: ['status: 400 / 0', 'requestBytes: 47 / 49'],
        'head-not-whole': ['status: 400 / 0', 'requestBytes: 19 / 30'],
        'length-beyond': ['status: 400 / 0'],
      },
    ],
    [
      'sent behind a request that asked for the connection to be closed: never answered, nor logged',
      { 'close-then-another': ['kernel alone: 0'] },
    ],
  ];
