using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Vmm.Kernel;

/// <summary>
/// MSI-X of one function: table and pending bits in a base-address register (PCI Local Bus Specification 3.0, 6.8.2).
/// </summary>
internal sealed class MsiX(InterruptFabric fabric, int vectors, Action enabledChanged, IEngineInterrupts? engine = null) : IMessageInterrupts, IMmioDevice
{
    public const byte CapabilityId = 0x11;
    public const int MaximumVectors = 2048;
    public const ushort EnableBit = 0x8000, FunctionMaskBit = 0x4000;
    private const int EntryLength = 16, VectorControl = 12;

    private readonly Lock _lock = new();
    private readonly byte[] _table = NewTable(vectors);
    private readonly ulong[] _pending = new ulong[(vectors + 63) / 64];
    private readonly MessageRoutes? _routes = engine is null ? null : new MessageRoutes(engine, vectors);
    private volatile ushort _control;

    /// <summary>Offset of message control in configuration space.</summary>
    public int ControlOffset { get; set; } = int.MaxValue - 2;

    public bool Enabled => (_control & EnableBit) != 0;

    /// <summary>Message control as the guest wrote it.</summary>
    public ushort Control
    {
        get => _control;
        set
        {
            _control = value;
            enabledChanged();
            Flush();
            if (_routes is not null && !Enabled)
            {
                lock (_lock)
                {
                    _routes.Clear();
                }
            }
        }
    }

    private bool Open => (_control & (EnableBit | FunctionMaskBit)) == EnableBit;

    /// <summary>Table and pending bits, rounded up so that they share no page with another register.</summary>
    public static ulong RegionLength(int vectors) => Math.Max(4096, BitOperations.RoundUpToPowerOf2((ulong)vectors * EntryLength) * 2);

    public static uint PendingOffset(int vectors) => (uint)(RegionLength(vectors) / 2);

    public void Signal(int vector)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(vector);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(vector, vectors);
        lock (_lock)
        {
            if (!Open || IsMasked(vector))
            {
                _pending[vector >> 6] |= 1UL << vector;
                return;
            }
        }

        Send(vector);
    }

    public ulong Read(ulong offset, AccessWidth width)
    {
        lock (_lock)
        {
            ulong low = ReadDoubleWord(offset);
            return width == AccessWidth.QuadWord ? low | ((ulong)ReadDoubleWord(offset + 4) << 32) : low;
        }
    }

    public void Write(ulong offset, AccessWidth width, ulong value)
    {
        lock (_lock)
        {
            for (int i = 0; i < (int)width / 4; i++, offset += 4, value >>= 32)
            {
                if (offset + 4 <= (ulong)_table.Length)
                {
                    BinaryPrimitives.WriteUInt32LittleEndian(_table.AsSpan((int)offset), (uint)value);
                }
            }
        }

        Flush();
    }

    public void Save(IStateWriter state)
    {
        lock (_lock)
        {
            state.Bytes((int)MsiXField.Table, _table);
            state.Bytes((int)MsiXField.Pending, MemoryMarshal.AsBytes(_pending.AsSpan()));
        }
    }

    /// <summary>Sets table and pending bits; message control comes from configuration space, before.</summary>
    public void Restore(IStateReader state)
    {
        lock (_lock)
        {
            if (!state.Bytes((int)MsiXField.Table, _table) || !state.Bytes((int)MsiXField.Pending, MemoryMarshal.AsBytes(_pending.AsSpan())))
            {
                throw new StateException("the MSI-X table is missing.");
            }

            if (vectors % 64 != 0)
            {
                _pending[^1] &= (1UL << (vectors % 64)) - 1;
            }
        }
    }

    private static byte[] NewTable(int vectors)
    {
        var table = new byte[vectors * EntryLength];
        for (int i = 0; i < vectors; i++)
        {
            table[(i * EntryLength) + VectorControl] = 1; // masked after reset
        }

        return table;
    }

    private uint ReadDoubleWord(ulong offset)
    {
        if (offset + 4 <= (ulong)_table.Length)
        {
            return BinaryPrimitives.ReadUInt32LittleEndian(_table.AsSpan((int)offset));
        }

        ulong pending = offset - PendingOffset(vectors);
        return offset >= PendingOffset(vectors) && pending / 8 < (ulong)_pending.Length
            ? (uint)(_pending[pending / 8] >> (int)(8 * (pending & 4)))
            : 0;
    }

    private bool IsMasked(int vector) => (_table[(vector * EntryLength) + VectorControl] & 1) != 0;

    private void Flush()
    {
        for (int vector = 0; Open && vector < vectors; vector++)
        {
            lock (_lock)
            {
                ulong bit = 1UL << vector;
                if ((_pending[vector >> 6] & bit) == 0 || IsMasked(vector))
                {
                    continue;
                }

                _pending[vector >> 6] &= ~bit;
            }

            Send(vector);
        }
    }

    private void Send(int vector)
    {
        ReadOnlySpan<byte> entry = _table.AsSpan(vector * EntryLength, EntryLength);
        ulong address = BinaryPrimitives.ReadUInt64LittleEndian(entry);
        uint data = BinaryPrimitives.ReadUInt32LittleEndian(entry[8..]);
        if (_routes is null || !TrySendByRoute(vector, address, data))
        {
            fabric.SendMessage(address, data);
        }
    }

    private bool TrySendByRoute(int vector, ulong address, uint data)
    {
        lock (_lock)
        {
            return Enabled && !fabric.Held && !fabric.IsQuiet && _routes!.TrySend(vector, address, data);
        }
    }
}
