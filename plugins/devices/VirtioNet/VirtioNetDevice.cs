using Vmm.Sdk;

namespace Vmm.Plugins.VirtioNet;

/// <summary>A network device (VIRTIO 1.2, 5.1) with one pair of queues, in front of a network backend.</summary>
[DeviceModel("virtio-net", Description = "virtio network device")]
public sealed class VirtioNetDevice : VirtioDeviceModel
{
    private const ulong MtuFeature = 1UL << 3, MacFeature = 1UL << 5, StatusFeature = 1UL << 16;
    private const int ReceiveQueue = 0, TransmitQueue = 1, QueueSize = 256;
    private const int ConfigurationLength = 12, StatusOffset = 6, PairsOffset = 8, MtuOffset = 10;
    private const ushort LinkUp = 1;

    /// <summary>struct virtio_net_hdr (5.1.6): with no offload agreed on, only num_buffers is ever other than 0.</summary>
    private const int HeaderLength = 12, BufferCountOffset = 10;

    private const int EthernetHeaderLength = 14;

    private readonly INetworkBackend _backend;
    private readonly VirtioConfiguration _configuration = new(ConfigurationLength);
    private readonly Inbox _inbox;
    private readonly byte[] _frame;
    private readonly byte[] _header = new byte[HeaderLength];
    private readonly IDeviceContext _context;
    private IVirtioQueue? _receive;
    private IVirtioQueue? _transmit;
    private IVirtioChain? _refused;

    public VirtioNetDevice(VirtioNetOptions options, IOptionReader given, IDeviceContext context, INetworkBackend backend)
    {
        _context = context;
        _backend = backend;
        _inbox = new Inbox(backend.MaximumFrameBytes, context, Deliver);
        _frame = new byte[backend.MaximumFrameBytes];
        _header[BufferCountOffset] = 1;
        byte[] address = options.Mac.Length == 0
            ? EthernetAddress.Random()
            : EthernetAddress.Parse(options.Mac) ?? throw new OptionException(given.Source, "mac", $"'{options.Mac}' is not the address of one device; write it like 52:54:00:12:34:56");
        address.CopyTo(_configuration.Bytes);
        _configuration.SetUInt16(StatusOffset, LinkUp);
        _configuration.SetUInt16(PairsOffset, 1);
        _configuration.SetUInt16(MtuOffset, (ushort)Math.Min(backend.MaximumFrameBytes - EthernetHeaderLength, ushort.MaxValue));
    }

    public override VirtioIdentity Identity { get; } = new(
        DeviceType: 1, ClassCode: 0x020000, MtuFeature | MacFeature | StatusFeature, ConfigurationLength, [QueueSize, QueueSize]);

    public override void Attach()
    {
        _backend.RoomAvailable += () => _context.Post(Transmit);
        _backend.SetReceiver(_inbox.Receive);
    }

    public override ulong ReadConfiguration(uint offset, AccessWidth width) => _configuration.Read(offset, width);

    public override void QueueReady(IVirtioQueue queue)
    {
        if (queue.Index == ReceiveQueue)
        {
            _receive = queue;
            _inbox.Open = true;
        }
        else
        {
            _transmit = queue;
        }
    }

    public override void QueueNotified(IVirtioQueue queue)
    {
        if (queue.Index == ReceiveQueue)
        {
            Deliver();
        }
        else
        {
            Transmit();
        }
    }

    public override void QueueStopped(IVirtioQueue queue)
    {
        if (queue.Index == ReceiveQueue)
        {
            _receive = null;
            _inbox.Open = false;
        }
        else
        {
            _transmit = null;
            _refused?.Complete(0);
            _refused = null;
        }
    }

    public override void Save(IStateWriter state) => state.Bytes(1, _configuration.Bytes[..EthernetAddress.Length]);

    /// <summary>The address goes with the machine; frames on their way are lost, as they may be on any network.</summary>
    public override void Restore(IStateReader state) => state.Bytes(1, _configuration.Bytes[..EthernetAddress.Length]);

    /// <summary>Sends what the driver has for us, until the backend has no room.</summary>
    private void Transmit()
    {
        while (_transmit is not null && (_refused ?? Take(_transmit)) is { } chain)
        {
            long length = chain.Readable.Length() - HeaderLength;
            if (length >= EthernetHeaderLength && length <= _frame.Length)
            {
                chain.Readable.Read(HeaderLength, _frame.AsSpan(0, (int)length));
                if (!_backend.TrySend(_frame.AsSpan(0, (int)length)))
                {
                    _refused = chain;
                    return;
                }
            }

            _refused = null;
            chain.Complete(0);
        }
    }

    /// <summary>Gives frames to the driver while it has buffers. A buffer holds a whole frame, since none is merged of several.</summary>
    private void Deliver()
    {
        _inbox.BeginDelivery();
        while (_receive is not null && _inbox.TryPeek(out ReadOnlySpan<byte> frame) && Take(_receive) is { } chain)
        {
            bool fits = chain.Writable.Length() >= HeaderLength + frame.Length;
            if (fits)
            {
                chain.Writable.Write(0, _header);
                chain.Writable.Write(HeaderLength, frame);
            }

            // A buffer that is too small takes its frame with it: the driver breaks 5.1.6.3.1.
            chain.Complete(fits ? (uint)(HeaderLength + frame.Length) : 0);
            _inbox.Remove();
        }

        if (_inbox.TakeRefusal())
        {
            _backend.ReceiverReady();
        }
    }

    private static IVirtioChain? Take(IVirtioQueue queue) => queue.TryTake(out IVirtioChain? chain) ? chain : null;
}
